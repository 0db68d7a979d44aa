import type * as pulumi from "@pulumi/pulumi";
import type { FileTree } from "../../lab-templates/types.ts";
import type { Environment } from "../../shared/names.ts";
import type { Via } from "../../shared/opening.ts";
import type { ClusterHandle } from "./cluster.ts";
import type { LabHost } from "../lab-host.ts";
import type { Kinded } from "./kinded.ts";
import type { ImageRepositoryHandle } from "./registry.ts";

export interface RepositoryArgs {
  readonly cohort: string;
  readonly learner: { readonly id: string; readonly name: string; readonly email: string; readonly github?: string | undefined };
  readonly repository: string;
  readonly branch: string;
  /** Of the credentials, see ledger/rotations.ts. */
  readonly generation: number;
  readonly via: Via;
  /** Content of the one seed commit, given the URL that Flux will clone. Used at creation only. */
  readonly seed: (url: pulumi.Output<string>) => pulumi.Output<FileTree>;
  /** What must be there before anything of the learner is made. */
  readonly after: readonly pulumi.Resource[];
  /** Where the pipeline takes images from and puts them. */
  readonly images: ImageRepositoryHandle;
  /** Absent in a cohort in which nothing is embedded. */
  readonly host: LabHost | undefined;
}

/** Narrow port: a place for a cohort's repositories. */
export interface GitHost<Settings extends Kinded = Kinded> {
  /** What the repositories have in common; called once. */
  forCohort(args: CohortGitArgs<Settings>): CohortGit;
}

export interface CohortGitArgs<Settings extends Kinded = Kinded> {
  readonly cohort: string;
  /** What the cohort file says of it. */
  readonly settings: Settings;
  /** How many repositories there will be. */
  readonly learners: number;
}

export interface CohortGit {
  createRepository(name: string, args: RepositoryArgs, options: pulumi.ComponentResourceOptions): RepositoryHandle;
}

export interface RepositoryHandle {
  readonly resource: pulumi.Resource;
  /** HTTP(S) clone URL without credentials. */
  readonly url: pulumi.Output<string>;
  /** The same for learners beyond this machine; only where the cohort is opened. */
  readonly openUrl?: pulumi.Output<string>;
  readonly seedCommit: pulumi.Output<string>;
  /** How long the way from the seed commit to the hand-over may take. */
  readonly handOverSeconds: number;
  /** The password is empty where learners log in with an account of their own. */
  readonly learner: { readonly username: pulumi.Output<string>; readonly password: pulumi.Output<string> };
  /** Flux' own credential, in the form of a GitRepository's secret, and the URL that it is for. It pushes image updates. */
  readonly flux: { readonly url: pulumi.Output<string>; readonly secret: Readonly<Record<string, pulumi.Output<string>>> };
  /** How the lab itself reads the repository, where that is not by the learner's password. */
  readonly ssh?: {
    readonly url: pulumi.Output<string>;
    readonly privateKey: pulumi.Output<string>;
    readonly knownHosts: pulumi.Output<string>;
  };
  /** Starts what builds and promotes as the repository says, once there are a cluster to look at and a registry. */
  runPipeline(name: string, args: PipelineArgs, options: pulumi.CustomResourceOptions): pulumi.Resource;
}

export interface PipelineArgs {
  readonly cluster: ClusterHandle;
  readonly images: ImageRepositoryHandle;
  /** In the order of promotion. */
  readonly environments: readonly Environment[];
}
