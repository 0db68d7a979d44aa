import { processStatus } from "../host/processes/client.ts";
import type { ProcessStatus } from "../host/processes/supervisor.ts";
import type { CohortPaths } from "../shared/paths.ts";

/** Learners all of whose processes are down because somebody wanted it. */
export function pausedLearners(processes: readonly ProcessStatus[]): string[] {
  const byOwner = Map.groupBy(
    processes.filter(({ owner }) => owner !== "cohort"),
    ({ owner }) => owner,
  );
  return [...byOwner].flatMap(([owner, own]) => (own.every(({ state }) => state === "paused") ? [owner] : []));
}

/** The paused learners of a cohort; none where no daemon can tell. */
export async function pausedIn(paths: CohortPaths): Promise<string[]> {
  return pausedLearners(await processStatus(paths));
}
