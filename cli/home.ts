import { glob, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { inventoriedCohorts } from "../ledger/inventory.ts";
import { labHome } from "../shared/paths.ts";
import { homeMadeByLab, homeMarkFile, inHome } from "../shared/lab-home.ts";
import { removeIfEmpty } from "../shared/private-files.ts";
import { ownBackend } from "../tools/backend.ts";
import { cohortsWithSecrets } from "./state/passphrase.ts";
import { note } from "./terminal.ts";
import { homeError } from "./unusable-home.ts";

/** Throws LabError `home-unusable` (exit code 2) where the lab's folder can't be written; leaves none where there was none. */
export async function requireHome(): Promise<void> {
  try {
    await inHome(async () => {});
  } catch (error) {
    throw homeError(error, " Nothing was created.");
  }
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
