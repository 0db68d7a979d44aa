import { existsSync } from "node:fs";
import { LabError } from "../shared/errors.ts";
import type { CohortOutputs } from "../shared/outputs.ts";
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

/** The learners whose clusters are to be elsewhere than they are, and what that costs them. Pure. */
export function movesBetween({ learners }: Pick<CohortOutputs, "learners">, plan: Pick<CohortPlan, "learners">): readonly Move[] {
  return plan.learners.flatMap(({ learner, cluster, git, registry }) => {
    const there = learners[learner.id];
    if (there === undefined) return [];
    const same = there.cluster.kind === cluster.kind && (cluster.kind !== "embedded" || cluster.nodes === there.cluster.nodes);
    if (same) return [];
    const sameGit = there.git.kind === git.kind;
    const sameImages = there.registry.kind === registry.kind;
    const name = ({ kind, nodes }: { kind: string; nodes: string }) => (kind === "embedded" ? `embedded (pods ${nodes})` : kind);
    return [
      {
        learner: learner.id,
        from: name(there.cluster),
        to: name({ kind: cluster.kind, nodes: cluster.kind === "embedded" ? cluster.nodes : "real" }),
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

/** The moves that an `up` of this plan would make; none where the cohort is not there yet. */
export async function movesOf(plan: CohortPlan): Promise<readonly Move[]> {
  if (!existsSync(cohortPaths(plan.cohort).root)) return [];
  // A cohort without a finished run has no outputs, and so nobody who could move.
  const outputs = await readOutputs(plan.cohort).catch((error: unknown) => {
    if (error instanceof LabError) return undefined;
    throw error;
  });
  return outputs === undefined ? [] : movesBetween(outputs, plan);
}
