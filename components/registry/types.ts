import type * as pulumi from "@pulumi/pulumi";
import type { LabHost } from "../lab-host.ts";

export interface ImageRepositoryArgs {
  readonly cohort: string;
  readonly learner: string;
  readonly image: string;
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
  /** Whether GitHub's workflows log in to it with their job's own token, so that they need no credential. */
  readonly takesJobToken: boolean;
  readonly learner: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
  /** May pull only. */
  readonly flux: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
  /** May also take tags away. */
  readonly pipeline: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
}
