import * as pulumi from "@pulumi/pulumi";
import type { Via } from "../../shared/opening.ts";
import type { LabHost } from "../lab-host.ts";
import type { Kinded } from "./kinded.ts";

export interface ImageRepositoryArgs<Settings extends Kinded = Kinded> {
  readonly cohort: string;
  readonly learner: string;
  readonly image: string;
  /** What the cohort file says of the registry. */
  readonly settings: Settings;
  /** Names of other images of the learner, beside it. */
  readonly siblings: readonly string[];
  /** Of the credentials, see ledger/rotations.ts; only what is embedded is rotated. */
  readonly generation: number;
  readonly via: Via;
  /** What must be there before anything of the learner is made. */
  readonly after: readonly pulumi.Resource[];
  /** Absent in a cohort in which nothing is embedded. */
  readonly host: LabHost | undefined;
}

/** Narrow port: a path of one learner in an image registry. */
export interface Registry<Settings extends Kinded = Kinded> {
  createImageRepository(name: string, args: ImageRepositoryArgs<Settings>, options: pulumi.ComponentResourceOptions): ImageRepositoryHandle;
}

export interface ImageRepositoryHandle {
  readonly resource: pulumi.Resource;
  /** `host[:port]/path` without tag, as the cluster comes to it. */
  readonly repository: pulumi.Output<string>;
  /** How this machine comes to it over loopback, where the cluster comes by the opened address. */
  readonly local?: pulumi.Output<string>;
  /** PEM of the authority that the cluster must trust to come to it, where no other does. */
  readonly authority?: pulumi.Output<string>;
  /** True where the registry speaks plain HTTP (loopback only). */
  readonly insecure: boolean;
  /** Whether GitHub's workflows log in to it with their job's own token, so that they need no credential. */
  readonly takesJobToken: boolean;
  /** Whether the credential is the whole cohort's, so that no learner may have it. */
  readonly shared: boolean;
  /** How learners beyond this machine call it; only where the cohort is opened. */
  readonly openRepository?: pulumi.Output<string>;
  /** Folder on this host in which its passwords are, for a registry on this host. */
  readonly accessFolder?: string;
  readonly learner: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
  /** May pull only. */
  readonly flux: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
  /** May also take tags away. */
  readonly pipeline: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
}

/** The content of a Docker credential file for the image repository's registry. Secret. */
export function dockerConfig({ repository, flux }: ImageRepositoryHandle): pulumi.Output<string> {
  return pulumi.all([repository, flux.username, flux.password]).apply(([path, username, password]) => {
    const auth = Buffer.from(`${username}:${password}`).toString("base64");
    return JSON.stringify({ auths: { [path.split("/")[0] ?? path]: { username, password, auth } } });
  });
}
