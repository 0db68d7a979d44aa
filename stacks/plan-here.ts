import { chooseFor } from "../clusters/upkeep.ts";
import type { CohortPaths } from "../shared/paths.ts";
import { clustersOf, type CohortSpec } from "./cohort-spec.ts";
import { readGenerations } from "./generations.ts";
import { lookForRoom } from "./isolation.ts";
import { readBeginnings } from "./lifetimes.ts";
import { planCohort, type CohortPlan } from "./plan.ts";
import { requireReach } from "./reach.ts";

/**
 * Plans a cohort with what this machine can do and what the lab noted of it. Makes nothing. Throws LabError where the file
 * asks for what can't be.
 */
export async function planHere(
  paths: CohortPaths,
  spec: CohortSpec,
): Promise<{ readonly plan: CohortPlan /** Why pods are simulated though real ones were preferred. */; readonly because?: string }> {
  const { nodes, because } = await chooseFor(paths.cohort, clustersOf(spec));
  const plan = planCohort(paths.cohort, spec, {
    nodes,
    room: await lookForRoom(spec),
    generations: await readGenerations(paths, spec),
    beginnings: await readBeginnings(paths, spec),
  });
  requireReach(plan);
  return { plan, ...(because !== undefined && { because }) };
}
