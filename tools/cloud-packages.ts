/** A Pulumi plugin for a cloud, as in `pulumi plugin install resource <name> <version>`. */
export interface CloudPackage {
  readonly name: "gcp" | "aws" | "digitalocean";
  readonly version: string;
}

/** The plugin of each cluster provider that is in a cloud; installed for cohorts that choose it. */
export const cloudPackages = {
  gke: { name: "gcp", version: "9.37.0" },
  eks: { name: "aws", version: "7.48.0" },
  doks: { name: "digitalocean", version: "4.80.1" },
} as const satisfies Readonly<Record<string, CloudPackage>>;

export type CloudKind = keyof typeof cloudPackages;

export function isCloudKind(kind: string): kind is CloudKind {
  return Object.hasOwn(cloudPackages, kind);
}
