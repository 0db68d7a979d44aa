import type { EngineEvent, Stack } from "@pulumi/pulumi/automation/index.js";
import type { LabError } from "../shared/errors.ts";
import type { CohortPaths } from "../shared/paths.ts";
import { measuredCosts } from "./capacity/costs.ts";
import { interruptible, interruptionTeller } from "./interrupt.ts";
import { chooseDisplay } from "./progress/displays.ts";
import type { RunCommand } from "./progress/events.ts";
import { RunReporter } from "./progress/reporter.ts";
import { cleanUpAfterEngine } from "./stack.ts";
import { stateFailure } from "./state/failures.ts";

export interface LearnerRun {
  readonly command: RunCommand;
  readonly stack: Stack;
  readonly paths: CohortPaths;
  readonly learner: string;
  /** Seconds it takes by earlier measurements. */
  readonly expectedSeconds: number;
  /** The engine's operation. It gets a callback for events and a signal that ends it. */
  readonly operate: (options: {
    readonly onEvent: (event: EngineEvent) => void;
    readonly color: "never";
    readonly signal: AbortSignal;
  }) => Promise<unknown>;
  /** The error to throw if the operation fails, from the causes that the engine told. */
  readonly failure: (causes: string, error: unknown) => LabError;
}

/** Lets Pulumi work on one learner's resources: shown as it goes on, and ended in order by a signal, as whole runs are. */
export async function runOnLearner({ command, stack, paths, learner, expectedSeconds, operate, failure }: LearnerRun): Promise<void> {
  const cohort = stack.name;
  const reporter = new RunReporter({
    command,
    cohort,
    learners: [learner],
    typical: measuredCosts.steps,
    expectedSeconds,
    display: chooseDisplay(false, [learner]),
  });
  try {
    await interruptible({ paths, resume: `./lab up ${cohort}`, onSignal: interruptionTeller(reporter) }, async ({ signal, check }) => {
      try {
        await reporter.engine((onEvent) => operate({ onEvent, color: "never", signal }));
      } catch (error) {
        check();
        throw (await stateFailure(cohort, error)) ?? failure(reporter.causes(error), error);
      } finally {
        await cleanUpAfterEngine(stack, paths);
      }
    });
  } finally {
    reporter.close();
  }
}
