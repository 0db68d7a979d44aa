import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { removeOwned } from "../../ledger/ownership.ts";
import { messageOf } from "../../shared/errors.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { containersOf } from "./cli.ts";
import { awaitReady, removeOwn, startStopped } from "./cluster.ts";
import { kindFolder, kindName } from "./config.ts";
import { readRecord } from "./record.ts";

/**
 * Removes the kind clusters of these learners, or of all of a cohort, that this lab made or began to make, whatever Pulumi's
 * state knows of them. Asks Docker only where there is a record of one.
 */
export async function sweep(cohort: string, learners?: readonly string[]): Promise<void> {
  const paths = cohortPaths(cohort);
  const all = learners ?? (await readdir(join(paths.root, "learners")).catch(() => []));
  for (const learner of all) {
    await removeOwn(cohort, learner, { learner, step: "remove the kind cluster" });
    await removeOwned(paths, kindFolder(cohort, learner));
  }
}

/**
 * Starts the kind clusters of a cohort that stand still, as after a restart of Docker or of the machine, and waits for them. Asks
 * Docker only where there is a record of one.
 *
 * @param tell hears whose were started, and of a failure, which is one learner's alone
 */
export async function start(cohort: string, tell: (sentence: string) => void): Promise<void> {
  const learners = await readdir(join(cohortPaths(cohort).root, "learners")).catch(() => []);
  await Promise.all(
    learners.map(async (learner) => {
      try {
        const record = await readRecord(cohort, learner);
        if (record?.containers === undefined) return;
        const there = await containersOf(record.name, { learner, step: "look for the kind cluster" });
        if (!there.every(({ id }) => record.containers?.includes(id)) || !(await startStopped(learner, there))) return;
        tell(`Starting the kind cluster of learner ${learner}, which was not running.`);
        await awaitReady(learner, await readFile(join(kindFolder(cohort, learner), "admin.yaml"), "utf8"), record.name);
      } catch (error) {
        tell(messageOf(error));
      }
    }),
  );
}

/** Whether a kind cluster that was made is there no more. Where Docker does not answer, that is for the run to say. */
export async function isGone(cohort: string, learners: readonly Pick<LearnerOutputs, "id">[]): Promise<boolean> {
  const gone = await Promise.all(
    learners.map(({ id }) =>
      containersOf(kindName(cohort, id), { learner: id, step: "look for the kind cluster" }).then(
        (found) => found.length === 0,
        () => false,
      ),
    ),
  );
  return gone.includes(true);
}
