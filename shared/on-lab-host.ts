/** The word for a kind of cluster, Git host or registry that the lab host itself is: in cohort files, outputs and archives. */
export const labHostKind = "embedded";

/** Whether a part of a lab is the lab host's own: it runs here, and the lab gives its credentials and takes them back. */
export function isOnLabHost({ kind }: { readonly kind: string }): boolean {
  return kind === labHostKind;
}
