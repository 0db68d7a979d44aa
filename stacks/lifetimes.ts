import { clusterProvider } from "../clusters/providers.ts";
import { creationTime, noteCreation } from "../ledger/creation.ts";
import type { CohortSpec } from "./cohort-spec.ts";
import type { Beginnings, CohortPlan } from "./plan.ts";
import { cohortPaths, type CohortPaths } from "../shared/paths.ts";

export async function readBeginnings(
  paths: CohortPaths,
  { learners }: Pick<CohortSpec, "learners">,
  now: Date = new Date(),
): Promise<Beginnings> {
  const began = await creationTime(paths);
  const each = await Promise.all(learners.map(async ({ id }) => [id, (await creationTime(paths, id)) ?? now] as const));
  return { cohort: began ?? now, learners: Object.fromEntries(each) };
}

/**
 * Notes the beginnings that nobody else notes: what a driver of this machine makes is noted by the driver. A cloud's labels
 * tell when a lab is over, and a time that moved with every run would never come.
 */
export async function noteBeginnings({ cohort, learners }: CohortPlan): Promise<void> {
  const paths = cohortPaths(cohort);
  await noteCreation(paths, undefined, learners[0]?.lifetime.cohortSince);
  for (const { learner, cluster, lifetime } of learners)
    if (!clusterProvider(cluster.kind).place.onThisMachine) await noteCreation(paths, learner.id, lifetime.since);
}
