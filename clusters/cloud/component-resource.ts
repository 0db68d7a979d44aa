import * as pulumi from "@pulumi/pulumi";
import type { ResourcePlugin } from "../../tools/resource-plugin.ts";

/*
 * Resources of a cloud by their type token. Pulumi's npm packages for the clouds (gcp 86 MB, aws 84 MB) hold, for each of
 * over a thousand resources, a class that does just this; what is needed of them is a handful. So nobody installs them,
 * and what their types would catch a test does: it holds the name of every input against a list taken from the packages.
 */

/** A configured plugin of a cloud. Credentials are what the cloud's own tools find (environment, files); none is in the state. */
export class CloudProvider extends pulumi.ProviderResource {
  readonly cloud: ResourcePlugin;

  constructor(name: string, cloud: ResourcePlugin, inputs: pulumi.Inputs) {
    // A provider's own inputs go over the wire as strings.
    super(
      cloud.name,
      name,
      Object.fromEntries(
        Object.entries(inputs).map(([key, value]) => [key, typeof value === "string" ? value : pulumi.jsonStringify(value)]),
      ),
      { version: cloud.version },
    );
    this.cloud = cloud;
  }
}

export interface CloudResourceOptions<Outputs extends object> extends Omit<pulumi.CustomResourceOptions, "provider" | "version"> {
  /** Properties that the cloud decides and somebody reads. */
  readonly outputs?: readonly (keyof Outputs & string)[];
}

/** A resource of a cloud, made through a provider of ours and never by a default one. */
export class CloudResource<Outputs extends object = object> extends pulumi.CustomResource {
  readonly output: { readonly [K in keyof Outputs]: pulumi.Output<Outputs[K]> };

  /** @param type without the package, e.g. `compute/network:Network` */
  constructor(
    provider: CloudProvider,
    type: string,
    name: string,
    inputs: pulumi.Inputs,
    { outputs = [], ...options }: CloudResourceOptions<Outputs> = {},
  ) {
    const { name: cloud, version } = provider.cloud;
    super(
      `${cloud}:${type}`,
      name,
      { ...Object.fromEntries(outputs.map((key) => [key, undefined])), ...inputs },
      { ...options, provider, version },
    );
    this.output = Object.fromEntries(
      outputs.map((key) => [key, (this as unknown as CloudResource<Outputs>["output"])[key]]),
    ) as unknown as CloudResource<Outputs>["output"];
  }
}

/** Asks a cloud for something that it knows. */
export function ask<Answer>(provider: CloudProvider, what: string, inputs: pulumi.Inputs): pulumi.Output<Answer> {
  const { name: cloud, version } = provider.cloud;
  return pulumi.output(pulumi.runtime.invoke(`${cloud}:${what}`, inputs, { provider, version })) as pulumi.Output<Answer>;
}
