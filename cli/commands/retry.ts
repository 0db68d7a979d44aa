import { existsSync } from "node:fs";
import { ExitCode } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { dropAbandonedScratch } from "../../shared/scratch.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { bringUp } from "../bring-up/bring-up.ts";
import { requireConditions } from "../bring-up/conditions.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import { readLastRun, type LearnerRun } from "../last-run.ts";
import { notUp } from "../not-up.ts";
import { pausedIn } from "../paused.ts";
import { chooseDisplay } from "../progress/displays.ts";
import { RunReporter } from "../progress/reporter.ts";
import { openStack, readState, type StateSummary } from "../stack.ts";
import { note } from "../terminal.ts";
import type { UpOptions } from "./up.ts";

/**
 * Brings up those learners of a cohort whose last run did not end well, and leaves the others' resources as they are.
 * Returns the exit code.
 */
export async function retry(name: string, { json, parallel }: Pick<UpOptions, "json" | "parallel">): Promise<number> {
  const plan = await readCohort(name);
  const { cohort } = plan;
  const paths = cohortPaths(cohort);
  return keepingCohortFile(cohort, async () => {
    if (!existsSync(paths.root)) throw await notUp(cohort, ", so there is nothing to try again");
    // Where the state was lost, everybody is tried again.
    const stack = await openStack(paths);
    const paused = await pausedIn(paths);
    const left = unfinished(rosterOf(plan), await readLastRun(paths), await readState(stack));
    const only = left.filter((learner) => !paused.includes(learner));
    if (only.length === 0) return tellNothingToDo(plan, left, json);
    const expectedSeconds = await requireConditions(plan, paths, true);
    return bringUp(plan, paths, { command: "retry", only, json, parallel, expectedSeconds });
  });
}

const rosterOf = ({ learners }: Pick<CohortPlan, "learners">) => learners.map(({ learner }) => learner.id);

/**
 * Tells that there is nothing to try again, and ends as a run that succeeded. Returns the exit code.
 *
 * @param paused who is not up, and can't be tried while paused
 */
export async function tellNothingToDo(
  plan: Pick<CohortPlan, "cohort" | "learners">,
  paused: readonly string[],
  json: boolean,
): Promise<number> {
  const { cohort } = plan;
  // A killed run may have come to the last learner's end.
  await dropAbandonedScratch();
  const reporter = new RunReporter({
    command: "retry",
    cohort,
    learners: [],
    typical: {},
    expectedSeconds: 0,
    display: chooseDisplay(json, []),
  });
  reporter.summary({ result: "succeeded", exitCode: ExitCode.ok });
  reporter.close();
  if (paused.length > 0)
    note(
      `Nothing to try again while ${paused.join(", ")} ${paused.length === 1 ? "is" : "are"} paused. Bring each back with \`./lab resume <learner> --cohort ${cohort}\` before.`,
    );
  else
    note(
      `Nothing to try again: each of the ${plan.learners.length} learners of cohort ${cohort} came up in the last run about them. \`./lab verify --cohort ${cohort}\` tells whether the labs are well.`,
    );
  return ExitCode.ok;
}

/**
 * The learners that are not known to be up, in the order of the cohort file. The record of the last run tells of each
 * whether it ended well, also of a run that was killed; the state tells of what plain pulumi left undone, and of those of
 * whom nothing is there.
 */
export function unfinished(
  roster: readonly string[],
  lastRun: Readonly<Record<string, LearnerRun>>,
  { learners, pending }: Pick<StateSummary, "learners" | "pending">,
): string[] {
  const isUp = (id: string) => (Object.hasOwn(lastRun, id) ? lastRun[id]!.result === "up" : true);
  return roster.filter((id) => !isUp(id) || !learners.has(id) || pending.has(id));
}
