import pLimit from "p-limit";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { verdict } from "../../verification/verdict.ts";
import { lookAtLearner, type LearnerLook } from "../../verification/verify.ts";
import { CohortResults, promotionResult, renderCsv, renderTable, sumUp, type LearnerResult } from "../course/results.ts";
import { readRuns } from "../../records/drills.ts";
import { readRecords } from "../../records/exercises.ts";
import { readOutputs } from "../outputs.ts";
import { readAttempts } from "../../records/quiz.ts";
import { pausedIn } from "../paused.ts";
import { printJson } from "../terminal.ts";
import { cohortPaths } from "../../shared/paths.ts";

export interface ResultsOptions {
  readonly csv: boolean;
  readonly json: boolean;
}

/** Shows what a cohort's learners have done, with their evidence as it is now. Returns the exit code. */
export async function results(name: string, options: ResultsOptions): Promise<number> {
  const cohort = parseCohortName(name);
  if (options.csv && options.json) {
    throw new LabError(
      "format-ambiguous",
      `Results come in one form, and you asked for two. Run \`./lab results ${cohort} --csv\` or \`./lab results ${cohort} --json\`.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const all = await cohortResults(await readOutputs(cohort));
  if (options.json) printJson(all);
  else process.stdout.write(options.csv ? forSpreadsheets(renderCsv(all)) : renderTable(all));
  return ExitCode.ok;
}

/** Adds the mark that tells Excel of UTF-8, if there are letters that Excel would else read in a code page. */
export function forSpreadsheets(csv: string): string {
  return /[^\0-\x7f]/.test(csv) ? `\ufeff${csv}` : csv;
}

/** Looks at every learner's evidence and reads what was recorded of them. */
async function cohortResults(outputs: CohortOutputs): Promise<CohortResults> {
  const { evidence, environments } = labTemplate(outputs.template);
  const atOnce = pLimit(8);
  const paused = await pausedIn(cohortPaths(outputs.cohort));
  const learners = await Promise.all(
    Object.values(outputs.learners).map((learner) =>
      atOnce(async () =>
        learnerResult(outputs, learner, paused.includes(learner.id) ? undefined : await lookAtLearner(learner, evidence, environments)),
      ),
    ),
  );
  return resultsOf(outputs, learners);
}

export function resultsOf({ cohort, course, template }: CohortOutputs, learners: LearnerResult[]): CohortResults {
  return CohortResults.parse({ schemaVersion: 2, cohort, course, template, takenAt: new Date().toISOString(), learners });
}

/** @param look the result of a look at the learner's lab; undefined where it is paused */
export async function learnerResult(
  { cohort, template }: CohortOutputs,
  { id, name, email }: LearnerOutputs,
  look: LearnerLook | undefined,
): Promise<LearnerResult> {
  const [exercises, drills, quiz] = await Promise.all([readRecords(cohort, id), readRuns(cohort, id), readAttempts(cohort, id)]);
  const ids = labTemplate(template).exercises.map((exercise) => exercise.id);
  const items = look?.reports ?? [];
  return {
    id,
    name,
    email,
    evidence: {
      verdict: verdict(items),
      promotion: promotionResult(look?.promotion),
      items: items.map((item) => ({ id: item.id, title: item.title, status: item.result.status, observedAt: item.observedAt })),
    },
    ...sumUp(ids, { exercises, drills, quiz }),
  };
}
