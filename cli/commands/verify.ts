import pLimit from "p-limit";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode } from "../../shared/errors.ts";
import { noRoom } from "../../shared/isolation.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { renderReports, toJson, type LearnerReports } from "../../verification/render.ts";
import { verdict } from "../../verification/verdict.ts";
import { lookAtLearner } from "../../verification/verify.ts";
import { selectLearners } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { pausedIn } from "../paused.ts";
import { print, printJson } from "../terminal.ts";
import { cohortOption } from "../which-cohort.ts";

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
  const paused = await pausedIn(outputs.cohort);
  const reports = await lookAtEvidence(outputs, selectLearners(outputs, options.learner), paused);
  if (options.json) printJson(toJson(reports));
  else printReports(reports);
  // Of several, a paused one is as somebody wanted it; where nobody was looked at, nothing was verified.
  const looked = reports.filter((learner) => learner.paused === undefined);
  return looked.length === 0 ? ExitCode.unknown : exitCodeOf(looked.map((learner) => verdict(learner.reports)));
}

/** Looks at the evidence of these learners, some at a time; of paused ones there is nothing to see. */
export async function lookAtEvidence(
  { cohort, template }: CohortOutputs,
  learners: readonly LearnerOutputs[],
  paused: readonly string[] = [],
): Promise<LearnerReports[]> {
  const { evidence, environments } = labTemplate(template);
  const atOnce = pLimit(8);
  return Promise.all(
    learners.map((learner) =>
      atOnce(async () => {
        const { id, name, isolation } = learner;
        const about = { id, name, isolation, noRoom: noRoom(learner) };
        if (paused.includes(id)) {
          const resume = `./lab resume ${id}${cohortOption(cohort)}`;
          return { ...about, reports: [], paused: resume };
        }
        return { ...about, ...(await lookAtLearner(learner, evidence, environments)) };
      }),
    ),
  );
}

export function printReports(reports: readonly LearnerReports[]): void {
  print(renderReports(reports, { colour: process.stdout.hasColors?.() === true && !process.env["NO_COLOR"] }).trimEnd());
}

/** The exit code for verdicts: a failure stands, whatever else could not be seen. */
export function exitCodeOf(verdicts: readonly ReturnType<typeof verdict>[]): ExitCode {
  return verdicts.includes("fail") ? ExitCode.failed : verdicts.includes("error") ? ExitCode.unknown : ExitCode.ok;
}
