import type * as pulumi from "@pulumi/pulumi";
import type { FileTree } from "../../lab-templates/types.ts";
import type { LabHost } from "../lab-host.ts";

export interface RepositoryArgs {
  readonly cohort: string;
  readonly learner: { readonly id: string; readonly name: string; readonly email: string };
  readonly repository: string;
  readonly branch: string;
  /** Content of the one seed commit, given the URL that Flux will clone. Used at creation only. */
  readonly seed: (url: pulumi.Output<string>) => pulumi.Output<FileTree>;
  readonly host: LabHost;
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
}
