/** The type of a resource with those of its parents, joined by `$`: the third part of a URN, as Pulumi documents it. */
export function typePath(urn: string): string {
  return urn.split("::")[2] ?? "";
}

/** The type of a resource alone. */
export function typeIn(urn: string): string {
  return typePath(urn).split("$").at(-1) ?? "";
}

/** The name that the program gave a resource. */
export function nameIn(urn: string): string {
  return urn.split("::").at(-1) ?? "";
}
