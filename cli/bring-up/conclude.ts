import { ExitCode } from "../../shared/errors.ts";
import { verdict } from "../../verification/verdict.ts";
import type { LearnerReports } from "../../verification/render.ts";
import { clusterRemedy } from "../../clusters/providers.ts";
import { readOutputs } from "../outputs.ts";
import { pausedIn } from "../paused.ts";
import type { LearnerOutcome } from "../progress/events.ts";
import { phases } from "../progress/steps.ts";
import { renderSummary } from "../summary.ts";
import { note, paint, print } from "../terminal.ts";
import type { Run } from "./run.ts";

/** Looks at the evidence of who has come up and is not paused. */
export async function prove(run: Run): Promise<void> {
  const { plan, paths, reporter, interrupt } = run;
  for (const learner of await pausedIn(paths)) reporter.learnerPaused(learner);
  const up = new Set(withResult(run, "up").map(({ learner }) => learner));
  run.reports = up.size === 0 ? [] : await interrupt.orEnd(reporter.phase(phases.evidence, () => evidenceOf(plan.cohort, up)));
  for (const report of run.reports) reporter.evidence(report);
}

/** Decides on the exit code and tells how the run went, to programs and to people. */
export async function conclude(run: Run): Promise<void> {
  const { reporter, reports, left, interrupt } = run;
  const { exitCodeOf, printReports } = await import("../checklist.ts");
  const proven = exitCodeOf(ownReports(run).map((learner) => verdict(learner.reports)));
  const exitCode = failures(run).length > 0 ? ExitCode.failed : proven === ExitCode.ok ? left : proven;
  interrupt.check();
  const cause = left === ExitCode.ok ? undefined : "Something is left of who is no learner of the cohort file any more.";
  reporter.summary({ result: exitCode === ExitCode.ok ? "succeeded" : "failed", exitCode, ...(cause !== undefined && { cause }) });
  reporter.close();
  if (!run.options.json) {
    if (reports.length > 0) printReports(reports);
    print(`\n${renderSummary(reporter.outcomes, process.stdout.columns)}`.trimEnd());
  }
  tellPeople(run);
  run.exitCode = exitCode;
}

function tellPeople(run: Run): void {
  const { about, reports } = run;
  const { cohort } = run.plan;
  const own = ownReports(run);
  const others = reports.filter((learner) => !own.includes(learner) && verdict(learner.reports) !== "pass").map(({ id }) => id);
  if (others.length > 0)
    note(
      `The evidence of ${others.join(", ")} is not passed. ${others.length === 1 ? "That lab was" : "Those labs were"} handed over before this run, so it has no say in how this run ended; \`./lab verify --cohort ${cohort}\` ends by it.`,
    );
  for (const { learner } of withResult(run, "paused"))
    note(`${paint("yellow", learner, process.stderr)} is paused, so neither changed nor looked at.`);
  const failed = failures(run);
  for (const { learner, cause } of failed)
    note(`${paint("red", learner, process.stderr)} did not come up: ${[cause, clusterRemedy(cause ?? "")].filter(Boolean).join(" ")}`);
  if (failed.length > 0)
    note(
      `${about.length - failed.length} of ${about.length} learners are up. \`./lab retry ${cohort}\` tries the others again and leaves these as they are.`,
    );
}

/** What was handed over before is its learner's work, which this run had nothing to do with. */
function ownReports({ reports, reporter }: Run): readonly LearnerReports[] {
  return reports.filter(({ id }) => reporter.handedOver.has(id));
}

function withResult({ reporter }: Run, ...results: LearnerOutcome["result"][]): readonly LearnerOutcome[] {
  return reporter.outcomes.filter(({ result }) => results.includes(result));
}

const failures = (run: Run) => withResult(run, "failed", "unfinished");

async function evidenceOf(cohort: string, learners: ReadonlySet<string>) {
  const outputs = await readOutputs(cohort);
  for (const sentence of outputs.simulated) note(paint("yellow", `simulated: ${sentence}`, process.stderr));
  // The checks take long to load on a busy machine, and are needed at the end alone.
  const { lookAtEvidence } = await import("../checklist.ts");
  return lookAtEvidence(
    outputs,
    Object.values(outputs.learners).filter(({ id }) => learners.has(id)),
  );
}
