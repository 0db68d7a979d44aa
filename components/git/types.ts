import type * as pulumi from "@pulumi/pulumi";
import type { FileTree } from "../../lab-templates/types.ts";
import type { Environment } from "../../shared/names.ts";
import type { ClusterHandle } from "../cluster/types.ts";
import type { LabHost } from "../lab-host.ts";
import type { ImageRepositoryHandle } from "../registry/types.ts";

export interface RepositoryArgs {
  readonly cohort: string;
  readonly learner: { readonly id: string; readonly name: string; readonly email: string };
  readonly repository: string;
  readonly branch: string;
  /** Content of the one seed commit, given the URL that Flux will clone. Used at creation only. */
  readonly seed: (url: pulumi.Output<string>) => pulumi.Output<FileTree>;
  /** Absent in a cohort in which nothing is embedded. */
  readonly host: LabHost | undefined;
}

/** Narrow port: a place for one learner's repository. */
export interface GitHost {
  readonly kind: string;
  createRepository(name: string, args: RepositoryArgs, options: pulumi.ComponentResourceOptions): RepositoryHandle;
}

export interface RepositoryHandle {
  readonly resource: pulumi.Resource;
  /** HTTP(S) clone URL without credentials. */
  readonly url: pulumi.Output<string>;
  readonly seedCommit: pulumi.Output<string>;
  readonly learner: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
  /** Flux' own credential: it pushes image updates. */
  readonly flux: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
  /** Starts what builds and promotes as the repository says, once there are a cluster to look at and a registry. */
  runPipeline(name: string, args: PipelineArgs, options: pulumi.CustomResourceOptions): pulumi.Resource;
}

export interface PipelineArgs {
  readonly cluster: ClusterHandle;
  readonly images: ImageRepositoryHandle;
  /** In the order of promotion. */
  readonly environments: readonly Environment[];
}
