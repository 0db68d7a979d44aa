import { join } from "node:path";
import type { Environment } from "../../shared/names.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { readImageHistory, type ImageHistory } from "../../verification/image-history.ts";
import type { Built } from "../images/program.ts";
import type { Jobs } from "./jobs.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";
import { registryReader, type RegistryReader } from "../../verification/registry-reader.ts";
import { withRepository, type RepositoryAccess } from "../images/crane.ts";
import { seedRef } from "../git/repository.ts";
import { leanKubeReader } from "../kubernetes/reader.ts";
import { bareRepository, type BareRepository } from "./bare-repository.ts";
import type { PipelineConfig } from "./config.ts";
import { fluxTree, type FluxTree } from "./flux-tree.ts";
import { rendered, type Rendered } from "./rendered.ts";

/** Everything of one learner's lab that the pipeline looks at or acts on. */
export interface Lab {
  readonly learner: string;
  /** In the order of promotion. */
  readonly environments: readonly Environment[];
  readonly repository: BareRepository;
  readonly flux: FluxTree;
  readonly kube: KubeReader;
  readonly registry: RepositoryAccess;
  readonly registryReader: RegistryReader;
  /** Every tag of the learner's image. */
  tags(): Promise<string[]>;
  /** What Flux would apply of a commit. */
  render(commit: string): Promise<Rendered>;
  /** Builds the app's module, given as a tar. */
  compile(module: Uint8Array): Promise<Built>;
  /** What is known of the images of the commits below a tip. */
  imageHistory(tip: string): Promise<ImageHistory>;
}

/** Longer than any look takes while the lab is well; a pusher waits for it. */
const lookTimeoutMs = 20_000;

export interface LabOptions {
  readonly paths: CohortPaths;
  /** Where what a learner wrote is built and rendered. */
  readonly jobs: Jobs;
  /** Default: the lean one. */
  readonly kubeReader?: (kubeconfig: string) => KubeReader;
}

/** @param quarantine see `Push`; none for what was accepted */
export function labOf(
  { paths, jobs, kubeReader = leanKubeReader }: LabOptions,
  learner: string,
  config: PipelineConfig,
  quarantine: Readonly<Record<string, string>> = {},
): Lab {
  const { registry, environments } = config;
  const path = join(paths.git, learner, `${config.repository}.git`);
  const [repository, flux] = [bareRepository(path, quarantine), fluxTree(path, quarantine)];
  return {
    learner,
    environments,
    repository,
    flux,
    kube: kubeReader(config.kubeconfig),
    registry,
    registryReader: registryReader({ kind: "", ...registry }, AbortSignal.timeout(lookTimeoutMs)),
    tags: () => withRepository(registry, (client) => client.tags()),
    render: (commit) => rendered(path, flux, commit, (tree) => jobs.render(learner, tree)),
    compile: (module) => jobs.build(learner, module),
    imageHistory: async (tip) =>
      readImageHistory({
        git: repository,
        journal: await flux.journal(tip),
        seed: seedRef,
        environments,
        repository: registry.repository,
      }),
  };
}
