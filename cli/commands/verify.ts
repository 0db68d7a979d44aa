import pLimit from "p-limit";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode } from "../../shared/errors.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { renderReports, toJson, type LearnerReports } from "../../verification/render.ts";
import { verdict } from "../../verification/verdict.ts";
import { verifyLearner } from "../../verification/verify.ts";
import { selectLearners } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { printJson } from "../terminal.ts";

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
  const template = labTemplate(outputs.template);
  const atOnce = pLimit(8);
  const reports: LearnerReports[] = await Promise.all(
    selectLearners(outputs, options.learner).map((learner) =>
      atOnce(async () => ({ id: learner.id, name: learner.name, reports: await verifyLearner(learner, template.evidence, template.environments) })),
    ),
  );
  if (options.json) printJson(toJson(reports));
  else process.stdout.write(renderReports(reports, { colour: process.stdout.hasColors?.() === true && !process.env["NO_COLOR"] }));
  return exitCodeOf(reports.map((learner) => verdict(learner.reports)));
}

/** The exit code for verdicts: a failure stands, whatever else could not be seen. */
export function exitCodeOf(verdicts: readonly ReturnType<typeof verdict>[]): ExitCode {
  return verdicts.includes("fail") ? ExitCode.failed : verdicts.includes("error") ? ExitCode.unknown : ExitCode.ok;
}
