import { readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { cohortPaths } from "../shared/paths.ts";
import { daemonName } from "./processes/guard.ts";
import { ownership } from "../ledger/ownership.ts";
import { endOne, engineName, findMarked } from "../ledger/process-identity.ts";

/** What a teardown may write before it has removed anything: notes, locks, the state. */
const neededBytes = 16 * 1024 ** 2;

/**
 * Where a cohort that is to be removed stands on a full disk, its removal could not even be noted: so its processes are ended
 * and its clusters' databases go first, of which nothing is kept. Does nothing where there is room.
 */
export async function makeRoom(cohort: string, needed = neededBytes): Promise<void> {
  const paths = cohortPaths(cohort);
  const { daemon, root, learner } = paths;
  const disk = await statfs(root).catch(() => undefined);
  if (disk === undefined || disk.bavail * disk.bsize >= needed || (await ownership(paths)) !== "own") return;
  // Who starts the others again comes first.
  const others = findMarked(daemon).filter(({ name }) => name !== engineName);
  for (const { identity } of others.toSorted((a, b) => rank(a.name) - rank(b.name))) endOne(identity);
  for (const id of await readdir(join(root, "learners")).catch(() => [])) {
    const { cluster, logs } = learner(id);
    for (const folder of [join(cluster, "etcd"), logs]) await rm(folder, { recursive: true, force: true });
  }
}

const rank = (name: string) => (name === daemonName ? 0 : 1);
