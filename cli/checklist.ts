import pLimit from "p-limit";
import { labTemplate } from "../lab-templates/templates.ts";
import { ExitCode } from "../shared/errors.ts";
import { noRoom } from "../shared/isolation.ts";
import type { CohortOutputs, LearnerOutputs } from "../shared/outputs.ts";
import { renderReports, type LearnerReports } from "../verification/render.ts";
import type { verdict } from "../verification/verdict.ts";
import { lookAtLearner } from "../verification/verify.ts";
import { print } from "./terminal.ts";
import { cohortOption } from "./which-cohort.ts";

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

/** Prints what of the evidence was found, a learner after the other. */
export function printReports(reports: readonly LearnerReports[]): void {
  print(renderReports(reports, { colour: process.stdout.hasColors?.() === true && !process.env["NO_COLOR"] }).trimEnd());
}

/** The exit code for verdicts: a failure stands, whatever else could not be seen. */
export function exitCodeOf(verdicts: readonly ReturnType<typeof verdict>[]): ExitCode {
  return verdicts.includes("fail") ? ExitCode.failed : verdicts.includes("error") ? ExitCode.unknown : ExitCode.ok;
}
