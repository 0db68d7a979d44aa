import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortPaths } from "../shared/paths.ts";
import { createPrivateFile, makePrivateFolder, removeIfEmpty } from "../shared/private-files.ts";
import { readState } from "../shared/state-file.ts";

/**
 * How a lab is put together. Counts up when one that was made before can't be taken over by `up`. 2: the Flux kinds are one
 * resource; of a lab of 1 the engine would delete them one by one, and with them every Flux object.
 */
const labLayout = 2;

const Creation = z.object({ schemaVersion: z.literal(1), at: z.iso.datetime(), /** Of the cohort. */ layout: z.int().default(1) });

const folderOf = (paths: CohortPaths) => join(paths.root, "created");
/** An underscore is in no learner's id. */
const fileOf = (paths: CohortPaths, learner: string | undefined) => join(folderOf(paths), `${learner ?? "_cohort"}.json`);

/** Notes that a cohort, or a learner's lab, was made; the first note stays. */
export async function noteCreation(paths: CohortPaths, learner?: string, at: Date = new Date()): Promise<void> {
  await makePrivateFolder(folderOf(paths));
  await createPrivateFile(
    fileOf(paths, learner),
    JSON.stringify({ schemaVersion: 1, at: at.toISOString(), ...(learner === undefined && { layout: labLayout }) } satisfies z.input<
      typeof Creation
    >),
  );
}

/** When it was made; undefined where nobody noted it. */
export async function creationTime(paths: CohortPaths, learner?: string): Promise<Date | undefined> {
  const creation = await readCreation(paths, learner);
  return creation && new Date(creation.at);
}

/** Throws LabError `layout-other` (exit code 2) where a version of this program made the cohort whose labs this one can't take over. */
export async function requireLayout(paths: CohortPaths): Promise<void> {
  const layout = (await readCreation(paths))?.layout ?? labLayout;
  if (layout === labLayout) return;
  throw new LabError(
    "layout-other",
    `Cohort ${paths.cohort} was made by ${layout < labLayout ? "an earlier" : "a later"} version of this program, and this one can't take it over (layout ${layout}; this version's is ${labLayout}). Nothing was changed. ` +
      `Go on with the version that made it; or keep the results with \`./lab archive ${paths.cohort}\`, then \`./lab down ${paths.cohort}\` and \`./lab up ${paths.cohort}\`, which makes all labs anew.`,
    { exitCode: ExitCode.badInput },
  );
}

async function readCreation(paths: CohortPaths, learner?: string): Promise<z.output<typeof Creation> | undefined> {
  // Of a damaged note nobody knows any more: as of a lab from before there were such notes.
  return readState(fileOf(paths, learner), Creation, { orElse: undefined });
}

/** The learners whose beginning is noted. */
export async function notedLearners(paths: CohortPaths): Promise<string[]> {
  return (await readdir(folderOf(paths)).catch(() => [])).flatMap((file) => /^([a-z0-9-]+)\.json$/.exec(file)?.[1] ?? []);
}

export async function forgetCreation(paths: CohortPaths, learner: string): Promise<void> {
  await rm(fileOf(paths, learner), { force: true });
  await removeIfEmpty(folderOf(paths));
}
