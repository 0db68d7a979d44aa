import { readDaemonConfig } from "../../host/processes/config.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { pausedIn } from "../paused.ts";
import { note, paint } from "../terminal.ts";
import { cohortOption } from "../which-cohort.ts";
import type { Run } from "./run.ts";

/** Finds who is paused and tells that they stay as they are. Throws LabError (exit code 2) where that can't be. */
export async function passOverPaused(run: Run): Promise<void> {
  const { plan, paths, roster } = run;
  const { cohort } = plan;
  run.paused = (await pausedIn(paths)).filter((learner) => roster.includes(learner));
  for (const learner of run.paused)
    note(
      `${paint("yellow", learner, process.stderr)} is paused and left as is; \`./lab resume ${learner}${cohortOption(cohort)}\` brings the lab back.`,
    );
  if (run.paused.length > 0) await requireOpenedAlready(run, run.paused);
}

/** Throws LabError (exit code 2) where a cohort is to be opened that was not: who is paused could not be told how to reach it. */
export async function requireOpenedAlready(
  { plan: { cohort, opening }, paths }: Pick<Run, "plan" | "paths">,
  paused: readonly string[],
): Promise<void> {
  if (opening === undefined || (await readDaemonConfig(paths))?.opening !== undefined) return;
  throw new LabError(
    "opening-paused",
    `\`access\` in the cohort file opens cohort ${cohort}, and ${paused.join(", ")} can't be opened while paused. Nothing was changed. Bring each back with \`./lab resume <learner> --cohort ${cohort}\`, run \`./lab up ${cohort}\`, then pause them again.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}
