import { existsSync } from "node:fs";
import type { Pods } from "../clusters/provider.ts";
import { clusterProvider, knownProvider } from "../clusters/providers.ts";
import { LabError } from "../shared/errors.ts";
import { isOnLabHost } from "../shared/on-lab-host.ts";
import type { CohortOutputs, Isolation } from "../shared/outputs.ts";
import { cohortPaths } from "../shared/paths.ts";
import type { CohortPlan } from "../stacks/plan.ts";
import { readOutputs } from "./outputs.ts";

export interface Move {
  readonly learner: string;
  /** Kinds of cluster. */
  readonly from: string;
  readonly to: string;
  readonly madeAnew: readonly string[];
  readonly kept: readonly string[];
}

/** The learners whose clusters the plan moves, and what they lose by that. Pure. */
export function movesBetween({ learners }: Pick<CohortOutputs, "learners">, plan: Pick<CohortPlan, "learners">): readonly Move[] {
  return plan.learners.flatMap(({ learner, cluster, git, registry }) => {
    const there = learners[learner.id];
    if (there === undefined) return [];
    const pods = clusterProvider(cluster.kind).pods(cluster);
    const same = there.cluster.kind === cluster.kind && there.cluster.nodes === pods;
    if (same) return [];
    const sameGit = there.git.kind === git.kind;
    const sameImages = there.registry.kind === registry.kind;
    return [
      {
        learner: learner.id,
        from: titleOf(there.cluster.kind, there.cluster.nodes),
        to: titleOf(cluster.kind, pods),
        madeAnew: [
          "cluster",
          "everything in the cluster",
          "Flux",
          "kubeconfig",
          ...(sameGit ? [] : ["Git repository"]),
          ...(sameImages ? [] : ["images"]),
        ],
        kept: [...(sameGit ? ["Git repository with its history"] : []), ...(sameImages ? ["images"] : [])],
      },
    ];
  });
}

const titleOf = (kind: string, pods: Pods) => knownProvider(kind)?.shown.title?.(pods) ?? kind;

/** The learners whose labs stay where they are, but go into rooms or out of them. Pure. */
export function roomChanges(
  { learners }: Pick<CohortOutputs, "learners">,
  plan: Pick<CohortPlan, "learners">,
): { readonly into: readonly string[]; readonly outOf: readonly string[] } {
  const changed = (to: Isolation) =>
    plan.learners.flatMap(({ learner: { id }, cluster, isolation }) => {
      const there = learners[id];
      const stays = there !== undefined && isOnLabHost(there.cluster) && isOnLabHost(cluster);
      return stays && isolation === to && there.isolation !== to ? [id] : [];
    });
  return { into: changed("room"), outOf: changed("none") };
}

/** What an `up` of this plan would do with existing labs; nothing if the cohort does not exist yet. */
export async function changesOf(
  plan: CohortPlan,
): Promise<{ readonly moves: readonly Move[]; readonly rooms: ReturnType<typeof roomChanges> }> {
  const nothing = { moves: [], rooms: { into: [], outOf: [] } };
  if (!existsSync(cohortPaths(plan.cohort).root)) return nothing;
  // A cohort without a finished run has no outputs, and so nobody who could move.
  const outputs = await readOutputs(plan.cohort).catch((error: unknown) => {
    if (error instanceof LabError) return undefined;
    throw error;
  });
  return outputs === undefined ? nothing : { moves: movesBetween(outputs, plan), rooms: roomChanges(outputs, plan) };
}
