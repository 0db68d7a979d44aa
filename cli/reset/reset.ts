import { noteCreation } from "../../ledger/creation.ts";
import { bringUp } from "../bring-up/bring-up.ts";
import { requireConditions } from "../bring-up/conditions.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import { askGitHost, findExisting, keepWork, noteAge, requireLearner, requireRemaking } from "./prepare.ts";
import { written, type Run, type Step } from "./run.ts";
import { takeAway } from "./take-away.ts";
import { cohortPaths } from "../../shared/paths.ts";

/** A lab that is reset is not a younger one. */
export async function giveAgeBack({ paths, id, made }: Run): Promise<void> {
  if (made !== undefined) await noteCreation(paths, id, made);
}

/** Brings the cohort up, which makes the learner's lab anew. */
export async function makeAnew(run: Run): Promise<void> {
  // What is to be made follows from what is there, which is another by now.
  const plan = await readCohort(run.plan.cohort);
  const { paths } = run;
  run.exitCode = await keepingCohortFile(plan.cohort, async () =>
    bringUp(plan, paths, { command: "up", json: false, expectedSeconds: await requireConditions(plan, paths, true) }),
  );
}

/** What a reset does, in order. */
export const steps: readonly Step[] = [
  requireLearner,
  requireRemaking,
  findExisting,
  askGitHost,
  keepWork,
  noteAge,
  takeAway,
  giveAgeBack,
  makeAnew,
];

/**
 * Keeps what a learner had in a backup, removes everything of theirs through Pulumi, and brings the cohort up again, which
 * makes it anew. Returns the path of the backup and the exit code of `up`.
 *
 * @param options.out new folder for the backup
 */
export async function resetLearner(
  id: string,
  { cohort, out }: { readonly cohort: string; readonly out?: string | undefined },
): Promise<{ readonly backup: string; readonly exitCode: number }> {
  const plan = await readCohort(cohort);
  const run: Run = { plan, paths: cohortPaths(plan.cohort), id, out };
  for (const step of steps) await step(run);
  return { backup: written(run, "backup"), exitCode: written(run, "exitCode") };
}
