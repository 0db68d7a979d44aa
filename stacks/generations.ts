import { generationsOf, type Generations } from "../ledger/rotations.ts";
import type { CohortSpec } from "./cohort-spec.ts";
import type { CohortPaths } from "../shared/paths.ts";

/** Which generation each learner's credentials are to have, by id: what `./lab rotate` asked for, on this host. */
export async function readGenerations(
  paths: CohortPaths,
  { learners }: Pick<CohortSpec, "learners">,
): Promise<Record<string, Generations>> {
  return Object.fromEntries(await Promise.all(learners.map(async ({ id }) => [id, await generationsOf(paths, id)] as const)));
}
