import type * as pulumi from "@pulumi/pulumi";
import type { LabHost } from "../lab-host.ts";

export interface ImageRepositoryArgs {
  readonly cohort: string;
  readonly learner: string;
  readonly image: string;
  /** Of the credentials, see host/rotations.ts. */
  readonly generation: number;
  readonly host: LabHost;
}

/** Narrow port: a path of one learner in an image registry. */
export interface Registry {
  readonly kind: string;
  createImageRepository(name: string, args: ImageRepositoryArgs, options: pulumi.ComponentResourceOptions): ImageRepositoryHandle;
}

export interface ImageRepositoryHandle {
  readonly resource: pulumi.Resource;
  /** `host[:port]/path` without tag. */
  readonly repository: pulumi.Output<string>;
  /** True where the registry speaks plain HTTP (loopback only). */
  readonly insecure: boolean;
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
