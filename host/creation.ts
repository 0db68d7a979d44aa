import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { cohortPaths } from "../shared/paths.ts";
import { createPrivateFile, makePrivateFolder, readIfExists, removeIfEmpty } from "../shared/private-files.ts";

const Creation = z.object({ schemaVersion: z.literal(1), at: z.iso.datetime() });

const folderOf = (cohort: string) => join(cohortPaths(cohort).root, "created");
/** An underscore is in no learner's id. */
const fileOf = (cohort: string, learner: string | undefined) => join(folderOf(cohort), `${learner ?? "_cohort"}.json`);

/** Notes that a cohort, or a learner's lab, was made; the first note stays. */
export async function noteCreation(cohort: string, learner?: string, at: Date = new Date()): Promise<void> {
  await makePrivateFolder(folderOf(cohort));
  await createPrivateFile(fileOf(cohort, learner), JSON.stringify({ schemaVersion: 1, at: at.toISOString() } satisfies z.input<typeof Creation>));
}

/** When it was made; undefined where nobody noted it. */
export async function creationTime(cohort: string, learner?: string): Promise<Date | undefined> {
  const text = await readIfExists(fileOf(cohort, learner));
  return text === undefined ? undefined : new Date(Creation.parse(JSON.parse(text)).at);
}

/** The learners whose beginning is noted. */
export async function notedLearners(cohort: string): Promise<string[]> {
  return (await readdir(folderOf(cohort)).catch(() => [])).flatMap((file) => /^([a-z0-9-]+)\.json$/.exec(file)?.[1] ?? []);
}

export async function forgetCreation(cohort: string, learner: string): Promise<void> {
  await rm(fileOf(cohort, learner), { force: true });
  await removeIfEmpty(folderOf(cohort));
}
