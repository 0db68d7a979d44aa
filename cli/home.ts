import { existsSync, statSync } from "node:fs";
import { glob, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { inventoriedCohorts } from "../ledger/inventory.ts";
import { ExitCode, LabError, messageOf } from "../shared/errors.ts";
import { cacheHome, labHome } from "../shared/paths.ts";
import { homeMadeByLab, homeMarkFile, inHome } from "../shared/lab-home.ts";
import { removeIfEmpty } from "../shared/private-files.ts";
import { shellWord } from "../shared/shell-word.ts";
import { ownBackend } from "../tools/backend.ts";
import { cohortsWithSecrets } from "./state/passphrase.ts";
import { note } from "./terminal.ts";

/** Throws LabError `home-unusable` (exit code 2) where the lab's folder can't be written; leaves none where there was none. */
export async function requireHome(): Promise<void> {
  try {
    await inHome(async () => {});
  } catch (error) {
    throw homeError(error, " Nothing was created.");
  }
}

/** What a file system that does not let the lab have its folder says, as an error that helps; undefined for anything else. */
export function unusableHome(error: unknown): LabError | undefined {
  const { code = "", path } = (error ?? {}) as NodeJS.ErrnoException;
  if (path !== undefined && `${path}/`.startsWith(`${cacheHome()}/`) && unwritable.includes(code)) {
    return new LabError(
      "cache-unusable",
      `The folder of the tools, ${cacheHome()}, cannot be used: ${messageOf(error)}. Set XDG_CACHE_HOME to a folder of yours, where the tools are installed anew, and run the command again.`,
      { exitCode: ExitCode.badInput, cause: error },
    );
  }
  if (path === undefined || !`${path}/`.startsWith(`${labHome()}/`)) return undefined;
  const file = code === "ENOTDIR" ? fileAbove(path) : undefined;
  if (file?.startsWith(`${labHome()}/`)) {
    return new LabError(
      "file-in-the-way",
      `${file} is a file where the lab has a folder. It was left as it is. Move it away with \`mv ${shellWord(file)} ${shellWord(`${labHome()}-${basename(file)}`)}\` and run the command again.`,
      { exitCode: ExitCode.badInput, cause: error },
    );
  }
  return unwritable.includes(code) ? homeError(error) : undefined;
}

const unwritable = ["EACCES", "ENOTDIR", "EPERM", "EROFS"];

/** The file that stands in the way to a path. */
function fileAbove(path: string): string | undefined {
  const parent = dirname(path);
  if (existsSync(path)) return statSync(path).isDirectory() ? undefined : path;
  return parent === path ? undefined : fileAbove(parent);
}

function homeError(error: unknown, then = ""): LabError {
  return new LabError(
    "home-unusable",
    `The lab's folder ${labHome()} cannot be used: ${messageOf(error)}.${then} Set GITOPS_LAB_HOME to a folder of yours.`,
    {
      exitCode: ExitCode.badInput,
      cause: error,
    },
  );
}

/** Files that the lab itself puts into its folder beside cohorts; with their copies, and the drafts and locks of a process that was killed. */
const filesOfHome =
  /^(mark|github-mark|ports\.json|rooms\.json|passphrase|evidence-key\.pem|lab-home\.json)(\.(copy|before))?(\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?(\.\d+)?(\.lock(\.[0-9a-f.-]+)?)?$/;

/** Folders that it fills for a while and empties itself, or that a killed command left. */
const foldersOfHome = /^(gitops-lab-overlay-.+|\.probe-.+)$/;

/**
 * Removes what the lab put into its folder, with its state backend and passphrase, once no cohort is left that needs them; and the
 * folder, where the lab made it and nothing else is in it. Returns what the lab did not put there and that therefore stays.
 */
export async function removeHomeWithoutCohorts(): Promise<string[]> {
  const home = labHome();
  const made = await homeMadeByLab(home);
  const cohorts = await readdir(join(home, "cohorts")).catch(() => []);
  if (made === undefined || cohorts.length > 0 || (await inventoriedCohorts()).length > 0) return [];
  if ((await Array.fromAsync(glob(".pulumi/stacks/*/*.json", { cwd: ownBackend() }))).length > 0) return [];
  await rm(join(ownBackend(), ".pulumi"), { recursive: true, force: true });
  for (const folder of [ownBackend(), join(home, "cohorts"), join(home, "inventory"), join(home, "remainders")])
    await removeIfEmpty(folder);
  const entries = await readdir(home).catch((): string[] => []);
  const isOwn = (entry: string) => filesOfHome.test(entry) || foldersOfHome.test(entry);
  const withSecrets = entries.includes("passphrase") ? await cohortsWithSecrets() : [];
  if (withSecrets.length > 0)
    note(
      `${join(home, "passphrase")} stays: it opens what is encrypted in ${withSecrets.map((name) => `stacks/Pulumi.${name}.yaml`).join(", ")}.`,
    );
  const stays = withSecrets.length > 0 ? ["passphrase", homeMarkFile] : [homeMarkFile];
  for (const entry of entries.filter((name) => isOwn(name) && !stays.includes(name)))
    await rm(join(home, entry), { recursive: foldersOfHome.test(entry) || /\.lock(\.|$)/.test(entry), force: true });
  if (withSecrets.length > 0) return entries.filter((name) => !isOwn(name)).map((name) => join(home, name));
  // By its mark the folder is known as the lab's as long as there is anything of it.
  await rm(join(home, homeMarkFile), { force: true });
  if (made) await removeIfEmpty(home);
  return entries.filter((name) => !isOwn(name)).map((name) => join(home, name));
}
