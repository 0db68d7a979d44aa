import { constants, existsSync, rmSync } from "node:fs";
import { copyFile, mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { may } from "../shared/environment.ts";
import { makeScratchFolder } from "../shared/scratch.ts";
import { cohortFileOf, projectFolder } from "./cohort-file.ts";

const mirrors = new Map<string, Promise<string>>();

/**
 * The folder that Pulumi works in for a cohort: this checkout. If its cohort file can't be written, it is a folder of links with a
 * copy of that file, as long as this process runs. Pulumi writes the stack's salt into the file before it does anything.
 */
export async function pulumiProject(cohort: string): Promise<string> {
  if (may(existsSync(cohortFileOf(cohort)) ? cohortFileOf(cohort) : join(projectFolder, "stacks"), constants.W_OK)) return projectFolder;
  const known = mirrors.get(cohort) ?? mirror(cohort);
  mirrors.set(cohort, known);
  return known;
}

async function mirror(cohort: string): Promise<string> {
  const folder = await makeScratchFolder("project");
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  await linkAll(projectFolder, folder, ["stacks", ".git"]);
  const stacks = join(folder, "stacks");
  await mkdir(stacks);
  await linkAll(join(projectFolder, "stacks"), stacks, [`Pulumi.${cohort}.yaml`]);
  if (existsSync(cohortFileOf(cohort))) await copyFile(cohortFileOf(cohort), join(stacks, `Pulumi.${cohort}.yaml`));
  return folder;
}

async function linkAll(from: string, to: string, except: readonly string[]): Promise<void> {
  for (const name of await readdir(from)) if (!except.includes(name)) await symlink(join(from, name), join(to, name));
}
