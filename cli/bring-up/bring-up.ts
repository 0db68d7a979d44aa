import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { forgetCutShort } from "../../ledger/orphans.ts";
import { ExitCode } from "../../shared/errors.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { dropAbandonedScratch } from "../../shared/scratch.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { costsOf } from "../capacity/costs.ts";
import { interruptible, interruptionTeller } from "../interrupt.ts";
import { chooseDisplay } from "../progress/displays.ts";
import type { LearnerOutcome } from "../progress/events.ts";
import { RunReporter } from "../progress/reporter.ts";
import { whileRunning } from "../../ledger/running.ts";
import { stateFailure } from "../state/failures.ts";
import { conclude, prove } from "./conclude.ts";
import { beginRecord, runEngine } from "./engine.ts";
import { keepWorkOfLeavers, removeLeavers } from "./leavers.ts";
import { passOverPaused } from "./paused.ts";
import {
  bringTools,
  openCohort,
  requireOwnVersion,
  requireReadyProviders,
  startStanding,
  startProcesses,
  tellIsolation,
} from "./prepare.ts";
import { chooseScope, readWhatIs, refreshWhereDoubtful } from "./refresh.ts";
import { noteAgreement, recogniseUnchanged } from "./unchanged.ts";
import { newRun, written, type BringUpOptions, type Run, type Step, type Task } from "./run.ts";

/** The part of a bring-up that is for the engine; passed over where it could have nothing to do. */
export const engineSteps: readonly Step[] = [
  openCohort,
  keepWorkOfLeavers,
  passOverPaused,
  readWhatIs,
  refreshWhereDoubtful,
  chooseScope,
  beginRecord,
  runEngine,
  removeLeavers,
  noteAgreement,
];

/** What a bring-up does, in order. */
export const steps: readonly Step[] = [
  requireOwnVersion,
  bringTools,
  requireReadyProviders,
  tellIsolation,
  startProcesses,
  startStanding,
  recogniseUnchanged,
  ...engineSteps,
  prove,
  conclude,
];

/**
 * Brings a cohort, or some of its learners, to what its file says, and proves it. A learner's failure stops nobody else.
 * Ends in order on a signal. Returns the exit code.
 */
export async function bringUp(plan: CohortPlan, paths: CohortPaths, options: BringUpOptions): Promise<number> {
  const { cohort } = plan;
  const { command } = options;
  const roster = plan.learners.map(({ learner }) => learner.id);
  const task: Task = { plan, paths, options, roster, about: options.only ?? roster };
  let run: Run | undefined;
  const reporter = await reporterFor(task, (outcome) => run && keepOutcome(run, outcome));
  const resume = `./lab ${command} ${cohort}`;
  try {
    const exitCode = await whileRunning(cohort, command, () =>
      interruptible({ paths, resume, onSignal: interruptionTeller(reporter) }, async (interrupt) => {
        run = newRun(task, reporter, interrupt);
        for (const step of steps) if (!run.isUnchanged || !engineSteps.includes(step)) await step(run);
        return written(run, "exitCode");
      }),
    );
    if (exitCode === ExitCode.ok) {
      // What runs about everybody began is finished by now.
      if (options.only === undefined) await forgetCutShort(cohort);
      await dropAbandonedScratch();
    }
    return exitCode;
  } catch (thrown) {
    const error = (await stateFailure(cohort, thrown)) ?? thrown;
    reporter.failed(error);
    throw error;
  } finally {
    reporter.close();
    await run?.record?.written();
  }
}

async function reporterFor(
  { plan, paths, options, roster, about }: Task,
  onLearner: (outcome: LearnerOutcome) => void,
): Promise<RunReporter> {
  const { cohort } = plan;
  return new RunReporter({
    command: options.command,
    cohort,
    learners: about,
    others: [...roster, ...(await readdir(join(paths.root, "learners")).catch(() => []))],
    typical: costsOf(plan).steps,
    expectedSeconds: options.expectedSeconds,
    display: chooseDisplay(options.json, about),
    onLearner,
  });
}

function keepOutcome({ paused, record, options: { command } }: Run, { learner, result, cause }: LearnerOutcome): void {
  if (paused.includes(learner)) return;
  record?.note(learner, {
    result: result === "up" ? "up" : "failed",
    command,
    at: new Date().toISOString(),
    ...(cause !== null && { cause }),
  });
}
