import { ExitCode } from "../../shared/errors.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { toJson } from "../../verification/render.ts";
import { verdict } from "../../verification/verdict.ts";
import { exitCodeOf, lookAtEvidence, printReports } from "../checklist.ts";
import { selectLearners } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { pausedIn } from "../paused.ts";
import { printJson } from "../terminal.ts";
import { cohortPaths } from "../../shared/paths.ts";

export interface VerifyOptions {
  readonly json: boolean;
  /** Only this learner. */
  readonly learner?: string | undefined;
}

/** Proves the evidence of a cohort's learners from live state. Returns the exit code. */
export async function verify(cohort: string, options: VerifyOptions): Promise<number> {
  return verifyCohort(await readOutputs(parseCohortName(cohort)), options);
}

export async function verifyCohort(outputs: CohortOutputs, options: VerifyOptions): Promise<number> {
  const paused = await pausedIn(cohortPaths(outputs.cohort));
  const reports = await lookAtEvidence(outputs, selectLearners(outputs, options.learner), paused);
  if (options.json) printJson(toJson(reports));
  else printReports(reports);
  // Of several, a paused one is as somebody wanted it; where nobody was looked at, nothing was verified.
  const looked = reports.filter((learner) => learner.paused === undefined);
  return looked.length === 0 ? ExitCode.unknown : exitCodeOf(looked.map((learner) => verdict(learner.reports)));
}
