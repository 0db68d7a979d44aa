import { removeProcesses } from "../../host/processes/client.ts";
import { removeOwned } from "../../ledger/ownership.ts";
import { LabError } from "../../shared/errors.ts";
import { measuredCosts } from "../capacity/costs.ts";
import { keepingCohortFile } from "../cohort-file.ts";
import { LastRunRecord } from "../last-run.ts";
import { runOnLearner } from "../learner-run.ts";
import { settleLearner } from "../receipts.ts";
import { whileRunning } from "../../ledger/running.ts";
import { learnerResources } from "../stack.ts";
import { written, type Run, type Step } from "./run.ts";

/** Reads what the state knows of the learner. */
export async function readResources(run: Run): Promise<void> {
  run.resources = await learnerResources(written(run, "stack"), run.id);
}

/** Counts the learner as unfinished, until the lab is made anew. */
export async function countAsUnfinished({ plan: { learners }, paths, id }: Run): Promise<void> {
  const roster = learners.map(({ learner }) => learner.id);
  await (await LastRunRecord.begin(paths, "reset", [id], roster)).written();
}

/** Has the engine remove what of the learner is in the state. */
export async function destroy(run: Run): Promise<void> {
  const { plan, paths, id } = run;
  const target = [...written(run, "resources")];
  if (target.length === 0) return;
  const stack = written(run, "stack");
  const backup = written(run, "backup");
  const { gone } = measuredCosts;
  await runOnLearner({
    command: "reset",
    stack,
    paths,
    learner: id,
    expectedSeconds: gone.host + gone.learner,
    operate: (options) => stack.destroy({ target, ...options }),
    failure: (causes, cause) =>
      new LabError(
        "reset-failed",
        `The lab of ${id} was not removed completely. ${causes} Their work is in ${backup}. Run \`./lab up ${plan.cohort}\` to mend it, then the command again.`,
        { cause },
      ),
  });
}

/** Ends the learner's processes, also those that a killed run started and its state does not know. */
export async function endProcesses({ paths, id }: Run): Promise<void> {
  await removeProcesses(paths, id, "SIGKILL");
}

/** Removes the learner's folder. */
export async function removeFolder({ paths, id }: Run): Promise<void> {
  await removeOwned(paths, paths.learner(id).root);
}

/** Looks whether anything of the learner is left, and tells that. */
export async function lookBack(run: Run): Promise<void> {
  await settleLearner(written(run, "stack"), run.paths, run.id, written(run, "startedAt"));
}

/** What takes a learner's lab away, in order. */
export const takingAway: readonly Step[] = [readResources, countAsUnfinished, destroy, endProcesses, removeFolder, lookBack];

/** Takes the learner's lab away, while nobody else may change the cohort. */
export async function takeAway(run: Run): Promise<void> {
  const { cohort } = run.plan;
  run.startedAt = new Date();
  await keepingCohortFile(cohort, () =>
    whileRunning(cohort, "reset", async () => {
      for (const step of takingAway) await step(run);
    }),
  );
}
