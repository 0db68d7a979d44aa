import { existsSync } from "node:fs";
import { cp, mkdir, readdir } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { bundleRepository, hasCommits } from "../../host/git/repository.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";

/** The parts of a backup beside the repository, by folder below the learner's own. */
const records = ["exercises", "drills", "quiz"];

/**
 * Keeps a learner's repository (`repository.bundle`) and records, before their lab is removed. Returns the folder's
 * path, relative to the current one. Throws LabError `backup-exists`: a backup is never overwritten.
 *
 * @param out new folder; default `backups/<cohort>-<learner>-<time>`
 */
export async function backUp(paths: CohortPaths, learner: string, out?: string): Promise<string> {
  const folder = resolve(out ?? join("backups", `${paths.cohort}-${learner}-${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}`));
  if (existsSync(folder))
    throw new LabError(
      "backup-exists",
      `${folder} exists and a backup is never overwritten. Nothing was changed. Name another folder with \`--out\`.`,
      { exitCode: ExitCode.badInput },
    );
  await mkdir(dirname(folder), { recursive: true });
  await makePrivateFolder(folder);
  for (const repository of await repositoriesOf(paths, learner)) {
    // A lab has one.
    await bundleRepository(
      repository,
      join(folder, basename(repository) === "gitops.git" ? "repository.bundle" : `${basename(repository, ".git")}.bundle`),
    );
  }
  for (const name of records) {
    const from = join(paths.learner(learner).root, name);
    if (existsSync(from)) await cp(from, join(folder, name), { recursive: true });
  }
  return relative("", folder);
}

/** Folders of the learner's repositories on this host that are not empty. */
async function repositoriesOf(paths: CohortPaths, learner: string): Promise<string[]> {
  const folder = join(paths.git, learner);
  const found = (await foldersIn(folder)).filter((name) => name.endsWith(".git")).map((name) => join(folder, name));
  const filled = await Promise.all(found.map(hasCommits));
  return found.filter((_, index) => filled[index]);
}

/** Whether a backup of a learner would have anything in it. */
export async function hasWork(paths: CohortPaths, learner: string): Promise<boolean> {
  const { root } = paths.learner(learner);
  return (await repositoriesOf(paths, learner)).length > 0 || records.some((name) => existsSync(join(root, name)));
}

/** Learners who have something on this host and are not in the cohort file: the next `up` removes it. */
export async function leavers(paths: CohortPaths, staying: readonly string[]): Promise<string[]> {
  return (await foldersIn(join(paths.root, "learners"))).filter((id) => !staying.includes(id)).sort();
}

/** Learners who are in the cohort file and have nothing on this host yet. */
export async function arrivals(paths: CohortPaths, staying: readonly string[]): Promise<string[]> {
  const present = await foldersIn(join(paths.root, "learners"));
  return staying.filter((id) => !present.includes(id));
}

async function foldersIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** A sentence about learners who leave, and about those who are new: a changed id is another learner. */
export function leaversSentence(leaving: readonly string[], arriving: readonly string[]): string {
  const are = (ids: readonly string[], what: string) => `${ids.join(", ")} ${ids.length === 1 ? "is" : "are"} ${what}`;
  const also =
    arriving.length === 0 ? "" : ` and ${are(arriving, "new")}. An id is for ever: who is new gets a new lab, also under the old name`;
  return `${are(leaving, "no longer in the cohort file")}${also}. The ${leaving.length === 1 ? "lab" : "labs"} of ${leaving.join(", ")} will be removed, after a backup of repository and records.`;
}
