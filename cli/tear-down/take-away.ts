import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { endServer } from "../../dashboard/access.ts";
import { removeProcesses } from "../../host/processes/client.ts";
import { sweepClusters } from "../../clusters/upkeep.ts";
import { removeCohortFromHost } from "../../host/sweep.ts";
import { endOrphansOfEngine } from "../../ledger/process-identity.ts";
import { LabError } from "../../shared/errors.ts";
import { cloudThings } from "../cloud-things.ts";
import { deleteUnreachable } from "../lost-clusters.ts";
import { phases } from "../progress/steps.ts";
import { stateFailure } from "../state/failures.ts";
import { note } from "../terminal.ts";
import { isAboutState } from "./find.ts";
import type { Removal, Step } from "./removal.ts";

/** Ends the dashboard that shows the cohort. */
export async function endDashboard({ cohort }: Removal): Promise<void> {
  await endServer(cohort);
}

/** Has the engine remove what is in the state. */
export async function destroy(removal: Removal): Promise<void> {
  const { cohort, stack } = removal;
  if (stack === undefined) return;
  await destroyStack(removal, stack).catch(async (error: unknown) => {
    // What a cloud has can be found by the state alone: then that stays.
    if (!isAboutState(error) || (await cloudThings(stack)).length > 0) throw error;
    removal.isUnread = true;
    note(`The state of cohort ${cohort} can't be opened: what there is of it is removed without.`);
  });
}

/** Removes what is on this machine whatever the state knows, and the stack where nothing stands against it. */
export async function removeFromHost(removal: Removal): Promise<void> {
  const { cohort, paths, reporter, problems, stack, isUnread } = removal;
  const { forgetStack } = await import("../stack.ts");
  await reporter.phase(phases.remove, async () => {
    await removeCohortFromHost(paths, sweepClusters);
    endOrphansOfEngine(paths.daemon);
    if (problems.length === 0) await forgetStack(cohort, stack, isUnread);
    removal.isForgotten = true;
  });
}

/** What takes a cohort away, in order. */
export const takingAway: readonly Step[] = [endDashboard, destroy, removeFromHost];

/** Takes the cohort away as far as that can be. An expected failure is a problem of the receipt; what would follow it is left out. */
export async function takeAway(removal: Removal): Promise<void> {
  try {
    for (const step of takingAway) await step(removal);
  } catch (error) {
    removal.interrupt.check();
    if (!(error instanceof LabError)) throw error;
    removal.problems.push(error.message);
  }
}

async function destroyStack({ cohort, paths, learners, parallel, reporter, interrupt }: Removal, stack: Stack): Promise<void> {
  note(`Removing cohort ${cohort}.`);
  // Nothing in a cluster is kept, so it need not run while its end is written down.
  await Promise.all(learners.map((learner) => removeProcesses(paths, learner, "SIGKILL")));
  // Pulumi would write the whole state after each of some forty steps a learner; what a killed destroy leaves in it is
  // found gone by the next.
  stack.workspace.envVars["PULUMI_SKIP_CHECKPOINTS"] = "true";
  // Whoever is removed goes with their cluster: that it does not answer any more is no reason to keep them in the state.
  stack.workspace.envVars[deleteUnreachable] = "true";
  interrupt.check();
  try {
    await reporter.engine((onEvent) =>
      stack.destroy({ onEvent, color: "never", signal: interrupt.signal, ...(parallel !== undefined && { parallel }) }),
    );
  } catch (error) {
    interrupt.check();
    throw (
      (await stateFailure(cohort, error)) ??
      new LabError(
        "down-failed",
        `Cohort ${cohort} was not removed completely. ${reporter.causes(error)} Run \`./lab down ${cohort}\` again.`,
        { cause: error },
      )
    );
  } finally {
    await (await import("../stack.ts")).cleanUpAfterEngine(stack, paths);
  }
}
