import { join } from "node:path";
import { z } from "zod";
import { defaultLimits, type Limits } from "../../shared/limits.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { readState, writeState } from "../../shared/state-file.ts";
import { webPlaces } from "../processes/web-places.ts";

const Amount = z.number().positive();
const StoredLimits = z.object({
  memory: Amount,
  cpu: Amount,
  pids: Amount,
  inotify: Amount,
  disk: z.object({ git: Amount, images: Amount, etcd: Amount, flux: Amount, node: Amount }),
  push: Amount,
  file: Amount,
  layer: Amount,
  refs: Amount,
});

const limitsFile = ({ root }: Pick<CohortPaths, "root">) => join(root, "limits.json");
const webCopy = (paths: CohortPaths) => join(webPlaces(paths).folder, "limits.json");

/**
 * What each learner of a cohort may take of this machine. Read anew each time, so that a change of the cohort file holds
 * from the next start or request on. A cohort made before there were limits has the defaults.
 */
export async function limitsOf(paths: Pick<CohortPaths, "root">): Promise<Limits> {
  return limitsIn(limitsFile(paths));
}

/** The same for the web process, which sees a copy of its own. */
export async function limitsForWeb(paths: CohortPaths): Promise<Limits> {
  return limitsIn(webCopy(paths));
}

async function limitsIn(file: string): Promise<Limits> {
  return (await readState(file, StoredLimits, { orElse: defaultLimits })) ?? defaultLimits;
}

/** The lab-host driver writes them, before there is any learner; they go with the cohort's folder. */
export async function writeLimits(paths: CohortPaths, limits: Limits): Promise<void> {
  const text = JSON.stringify(limits, null, 2);
  await writeState(limitsFile(paths), text);
  await writeState(webCopy(paths), text);
}
