import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ExitCode, LabError } from "../shared/errors.ts";
import { cohortPaths } from "../shared/paths.ts";
import { createPrivateFile, makePrivateFolder, removeIfEmpty } from "../shared/private-files.ts";
import { readState } from "../shared/state-file.ts";

/**
 * How a lab is put together. Counts up when one that was made before can't be taken over by `up`. 2: the Flux kinds are one
 * resource; of a lab of 1 the engine would delete them one by one, and with them every Flux object.
 */
const labLayout = 2;

const Creation = z.object({ schemaVersion: z.literal(1), at: z.iso.datetime(), /** Of the cohort. */ layout: z.int().default(1) });

const folderOf = (cohort: string) => join(cohortPaths(cohort).root, "created");
/** An underscore is in no learner's id. */
const fileOf = (cohort: string, learner: string | undefined) => join(folderOf(cohort), `${learner ?? "_cohort"}.json`);

/** Notes that a cohort, or a learner's lab, was made; the first note stays. */
export async function noteCreation(cohort: string, learner?: string, at: Date = new Date()): Promise<void> {
  await makePrivateFolder(folderOf(cohort));
  await createPrivateFile(
    fileOf(cohort, learner),
    JSON.stringify({ schemaVersion: 1, at: at.toISOString(), ...(learner === undefined && { layout: labLayout }) } satisfies z.input<
      typeof Creation
    >),
  );
}

/** When it was made; undefined where nobody noted it. */
export async function creationTime(cohort: string, learner?: string): Promise<Date | undefined> {
  const creation = await readCreation(cohort, learner);
  return creation && new Date(creation.at);
}

/** Throws LabError `layout-other` (exit code 2) where a version of this program made the cohort whose labs this one can't take over. */
export async function requireLayout(cohort: string): Promise<void> {
  const layout = (await readCreation(cohort))?.layout ?? labLayout;
  if (layout === labLayout) return;
  throw new LabError(
    "layout-other",
    `Cohort ${cohort} was made by ${layout < labLayout ? "an earlier" : "a later"} version of this program, and this one can't take it over (layout ${layout}; this version's is ${labLayout}). Nothing was changed. ` +
      `Go on with the version that made it; or keep the results with \`./lab archive ${cohort}\`, then \`./lab down ${cohort}\` and \`./lab up ${cohort}\`, which makes all labs anew.`,
    { exitCode: ExitCode.badInput },
  );
}

async function readCreation(cohort: string, learner?: string): Promise<z.output<typeof Creation> | undefined> {
  // Of a damaged note nobody knows any more: as of a lab from before there were such notes.
  return readState(fileOf(cohort, learner), Creation, { orElse: undefined });
}

/** The learners whose beginning is noted. */
export async function notedLearners(cohort: string): Promise<string[]> {
  return (await readdir(folderOf(cohort)).catch(() => [])).flatMap((file) => /^([a-z0-9-]+)\.json$/.exec(file)?.[1] ?? []);
}

export async function forgetCreation(cohort: string, learner: string): Promise<void> {
  await rm(fileOf(cohort, learner), { force: true });
  await removeIfEmpty(folderOf(cohort));
}
