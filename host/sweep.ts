import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { forgetCreation, notedLearners } from "../ledger/creation.ts";
import { readInventory } from "../ledger/inventory.ts";
import { removeOwned } from "../ledger/ownership.ts";
import { releasePorts } from "../ledger/ports.ts";
import { endStragglers } from "../ledger/process-identity.ts";
import type { CohortPaths } from "../shared/paths.ts";
import { processStatus, removeProcesses, shutWays, stopDaemon, updateDoors } from "./processes/client.ts";
import { readDaemonConfig } from "./processes/config.ts";
import { learnerImages } from "./registry/config.ts";
import { removeGroup, removeGroups } from "./room/groups.ts";
import { releaseNumbers } from "./room/numbers.ts";

/** Removes clusters of a cohort's that stand on this machine beside its processes: those of these learners, or all. Gone is a success. */
export type RemoveClusters = (cohort: string, learners?: readonly string[]) => Promise<void>;

/**
 * Ends every process of the cohort and deletes its folder and port leases, whatever Pulumi's state knows of them: also
 * after an `up` that was killed half-way. Throws LabError, after everything else, where the folder can't be removed.
 */
export async function removeCohortFromHost(paths: CohortPaths, removeClusters: RemoveClusters): Promise<void> {
  await removeProcesses(paths, undefined, "SIGKILL");
  await stopDaemon(paths);
  endStragglers(paths.daemon);
  await removeClusters(paths.cohort);
  await removeGroups(paths.cohort);
  await releaseNumbers(paths.cohort);
  await releasePorts(paths.cohort);
  await removeOwned(paths, paths.root);
}

/**
 * Removes what learners other than these have on the host: an `up` killed between making a thing and noting it leaves
 * things that Pulumi's state does not know, and a learner who is then taken out of the cohort file would leave them for
 * ever. Returns the ids of those it found.
 */
export async function removeOtherLearners(
  paths: CohortPaths,
  known: ReadonlySet<string>,
  removeClusters: RemoveClusters,
): Promise<string[]> {
  const folders = [paths.git, join(paths.root, "learners"), learnerImages(paths, ".")];
  const owners = (await processStatus(paths)).flatMap(({ owner }) => (owner === "cohort" ? [] : [owner]));
  const told = new Set((await readInventory(paths.cohort)).flatMap(({ learner }) => learner ?? []));
  const here = (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).flat();
  // A folder that nobody told of is nobody's of ours.
  const found = new Set([...owners, ...here.filter((name) => told.has(name))]);
  const others = [...found].filter((learner) => !known.has(learner));
  for (const learner of others) {
    await removeProcesses(paths, learner, "SIGKILL");
    await removeClusters(paths.cohort, [learner]);
    await removeGroup(paths.learner(learner));
    await releaseNumbers(`${paths.cohort}/${learner}`);
    await shutWays(paths, learner);
    for (const folder of folders) await removeOwned(paths, join(folder, learner));
    await releasePorts(`${paths.cohort}/${learner}`);
    await forgetCreation(paths, learner);
  }
  if (others.length > 0 && (await readDaemonConfig(paths))?.opening !== undefined) await updateDoors(paths);
  // Of learners whose clusters were elsewhere a note is all there was.
  for (const learner of await notedLearners(paths)) if (!known.has(learner)) await forgetCreation(paths, learner);
  return others;
}
