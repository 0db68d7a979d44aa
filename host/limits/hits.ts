import { appendFile, mkdir, readdir, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { z } from "zod";
import type { CohortPaths, LearnerPaths } from "../../shared/paths.ts";
import { readIfExists, writePrivateFile } from "../../shared/private-files.ts";

const LimitHit = z.object({
  at: z.iso.datetime(),
  /** The field of `limits` in the cohort file, such as `push` or `disk.git`; or what else there is a limit of. */
  limit: z.string(),
  /** The sentence that the learner got. */
  said: z.string(),
});
/** A limit that a learner came up against. */
export type LimitHit = z.output<typeof LimitHit>;

/** A learner who hits limits all day long leaves no more than this. */
const fullBytes = 64 * 1024;
const keptWhenFull = 50;
const longestSentence = 500;

/**
 * Keeps for the instructor that a learner came up against a limit.
 *
 * @param said the sentence that the learner got
 */
export async function recordLimitHit({ limitHits }: LearnerPaths, limit: string, said: string): Promise<void> {
  const hit: LimitHit = { at: new Date().toISOString(), limit, said: said.slice(0, longestSentence) };
  const { size } = (await stat(limitHits).catch(() => undefined)) ?? { size: 0 };
  if (size > fullBytes) await writePrivateFile(limitHits, linesOf((await hitsIn(limitHits)).slice(-keptWhenFull)));
  await mkdir(dirname(limitHits), { recursive: true, mode: 0o700 });
  await appendFile(limitHits, linesOf([hit]), { mode: 0o600 });
}

/** When the learner's things go. */
export async function removeLimitHits({ limitHits }: LearnerPaths): Promise<void> {
  await rm(limitHits, { force: true });
}

/** The limits that a learner came up against, oldest first; of very many the newest. */
export async function recentLimitHits({ limitHits }: LearnerPaths, since = new Date(0)): Promise<LimitHit[]> {
  return (await hitsIn(limitHits)).filter(({ at }) => Date.parse(at) >= since.getTime());
}

/** The same of all learners of a cohort who have any. */
export async function limitHitsOfCohort(paths: CohortPaths, since?: Date): Promise<{ learner: string; hits: LimitHit[] }[]> {
  const folder = dirname(paths.learner("any").limitHits);
  const learners = (await readdir(folder).catch(() => [])).map((name) => basename(name, ".jsonl")).sort();
  const all = await Promise.all(learners.map(async (learner) => ({ learner, hits: await recentLimitHits(paths.learner(learner), since) })));
  return all.filter(({ hits }) => hits.length > 0);
}

const linesOf = (hits: readonly LimitHit[]) => hits.map((hit) => `${JSON.stringify(hit)}\n`).join("");

async function hitsIn(file: string): Promise<LimitHit[]> {
  const lines = ((await readIfExists(file)) ?? "").split("\n");
  return lines.flatMap((line) => {
    try {
      return [LimitHit.parse(JSON.parse(line))];
    } catch {
      // The last line of a process that was killed.
      return [];
    }
  });
}
