type ConfigReader = (name: string) => string | undefined;

let reader: ConfigReader = () => undefined;

/**
 * Gives drivers the stack's own configuration (`gitops-lab:<name>`), decrypted: what they need to log in somewhere stays in
 * one place and out of every resource's state, and a changed credential is no changed resource.
 */
export function setStackConfig(read: ConfigReader): void {
  reader = read;
}

/** A value of the stack's configuration; undefined where it has none, and outside of Pulumi. */
export function stackConfig(name: string): string | undefined {
  return reader(name);
}
