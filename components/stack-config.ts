import * as pulumi from "@pulumi/pulumi";

/** Reads these values of the stack's configuration, decrypted; undefined where it has none. */
export async function stackConfig(names: readonly string[]): Promise<(name: string) => string | undefined> {
  const config = new pulumi.Config();
  const values = await Promise.all(names.map((name) => resolved(config.getSecret(name))));
  return (name) => values[names.indexOf(name)];
}

function resolved(output: pulumi.Output<string> | undefined): Promise<string | undefined> | undefined {
  return (output as unknown as { promise(): Promise<string> } | undefined)?.promise();
}
