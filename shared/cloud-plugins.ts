/** The Pulumi plugin of each cluster provider that is in a cloud; installed for cohorts that choose it. */
export const cloudPlugins = {
  gke: { name: "gcp", version: "9.37.0" },
  eks: { name: "aws", version: "7.48.0" },
  doks: { name: "digitalocean", version: "4.80.1" },
} as const;

export type CloudKind = keyof typeof cloudPlugins;

/** Whether clusters of a kind are in a cloud that a plugin speaks to. */
export function isCloudKind(kind: string): kind is CloudKind {
  return Object.hasOwn(cloudPlugins, kind);
}
