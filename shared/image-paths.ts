/** Another image beside one: `host/ada/backend` and `traps` give `host/ada/traps`. */
export function siblingImage(repository: string, name: string): string {
  return `${repository.slice(0, repository.lastIndexOf("/") + 1)}${name}`;
}

interface Access<Text> {
  readonly repository: Text;
  /** Whether over plain HTTP. */
  readonly insecure: boolean;
  /** How this machine comes to the same images over loopback, where others come by an opened address. */
  readonly local?: Text | undefined;
}

/** The same images as this machine itself comes to them. */
export function onLabHost<Text, Of extends Access<Text>>(access: Of & Access<Text>): Of {
  return access.local === undefined ? access : { ...access, repository: access.local, insecure: true };
}
