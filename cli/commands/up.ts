import { cohortPaths } from "../../shared/paths.ts";
import { bringUp } from "../bring-up/bring-up.ts";
import { requireConditions } from "../bring-up/conditions.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";

export interface UpOptions {
  /** Also where measured costs say that it does not fit. */
  readonly force: boolean;
  /** Asks the engine also where nothing has changed since it last agreed. */
  readonly engine?: boolean | undefined;
  /** Events for programs on standard output. */
  readonly json: boolean;
  /** How many resources the engine works on at once. */
  readonly parallel?: number | undefined;
}

/** Brings a cohort up, or to what its file says now, and proves it. Returns the exit code. */
export async function up(name: string, { force, engine, json, parallel }: UpOptions): Promise<number> {
  const plan = await readCohort(name);
  const paths = cohortPaths(plan.cohort);
  return keepingCohortFile(plan.cohort, async () =>
    bringUp(plan, paths, { command: "up", engine, json, parallel, expectedSeconds: await requireConditions(plan, paths, force) }),
  );
}
