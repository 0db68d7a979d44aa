/** Another image beside one: `host/ada/backend` and `traps` give `host/ada/traps`. */
export function siblingImage(repository: string, name: string): string {
  return `${repository.slice(0, repository.lastIndexOf("/") + 1)}${name}`;
}

interface Access<Text> {
  readonly repository: Text;
  /** Whether over plain HTTP. */
  readonly insecure: boolean;
  /** The address of the same images over loopback, for this machine, if others use an opened address. */
  readonly local?: Text | undefined;
}

/** The same images at the address that this machine itself uses. */
export function onLabHost<Text, Of extends Access<Text>>(access: Of & Access<Text>): Of {
  return access.local === undefined ? access : { ...access, repository: access.local, insecure: true };
}
