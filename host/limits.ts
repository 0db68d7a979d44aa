import { join } from "node:path";
import { z } from "zod";
import { defaultLimits, type Limits } from "../shared/limits.ts";
import type { CohortPaths } from "../shared/paths.ts";
import { readIfExists, writePrivateFile } from "../shared/private-files.ts";

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

/** No secret is in it; daemon and web process both read it. */
const limitsFile = ({ root }: Pick<CohortPaths, "root">) => join(root, "limits.json");

/**
 * What each learner of a cohort may take of this machine. Read anew each time, so that a change of the cohort file holds
 * from the next request on. A cohort made before there were limits has the defaults.
 */
export async function limitsOf(paths: Pick<CohortPaths, "root">): Promise<Limits> {
  const text = await readIfExists(limitsFile(paths));
  return text === undefined ? defaultLimits : StoredLimits.parse(JSON.parse(text));
}

/** The lab-host driver writes them, before there is any learner; they go with the cohort's folder. */
export async function writeLimits(paths: Pick<CohortPaths, "root">, limits: Limits): Promise<void> {
  await writePrivateFile(limitsFile(paths), JSON.stringify(limits, null, 2));
}
