import { chmod, link, mkdir, readdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { ExitCode, LabError } from "./errors.ts";
import { labHome } from "./paths.ts";
import { shellWord } from "./shell-word.ts";

/** In the lab's folder: says that it is the lab's. */
export const homeMarkFile = "lab-home.json";

const HomeMark = z.object({
  schemaVersion: z.literal(1),
  /** Whether the lab made the folder; one that was there and empty is left where it is. */
  made: z.boolean(),
});

/** Whether the lab made its folder, by its mark; undefined where there is none. */
export async function homeMadeByLab(home: string = labHome()): Promise<boolean | undefined> {
  try {
    return HomeMark.parse(JSON.parse(await readFile(join(home, homeMarkFile), "utf8"))).made;
  } catch {
    return undefined;
  }
}

/**
 * Makes the lab's folder (0700) and marks it, if it is missing or empty; an empty one keeps its mode. Does nothing to any other
 * folder: `requireOwnHome` says whether that may be used.
 */
export async function claimHome(home: string = labHome()): Promise<void> {
  if ((await homeMadeByLab(home)) !== undefined) return;
  const made = (await mkdir(home, { recursive: true, mode: 0o700 })) !== undefined;
  if (made) await chmod(home, 0o700);
  else if (!(await holdsNothing(home))) return;
  await writeMark(home, made);
}

let trialBefore: Promise<unknown> = Promise.resolve();

/** Tries something in the lab's folder. If the folder was not there before and nothing is in it, it goes afterwards. */
export function inHome<T>(trial: (home: string) => Promise<T>, home: string = labHome()): Promise<T> {
  // One after the other: two at once would each take the other's folder for one that was there.
  const mine = trialBefore.then(() => tryIn(home, trial));
  trialBefore = mine.catch(() => {});
  return mine;
}

async function tryIn<T>(home: string, trial: (home: string) => Promise<T>): Promise<T> {
  const isNew = (await homeMadeByLab(home)) === undefined;
  await claimHome(home);
  try {
    return await trial(home);
  } finally {
    if (isNew) await unclaimHome(home);
  }
}

async function unclaimHome(home: string): Promise<void> {
  const made = await homeMadeByLab(home);
  const entries = await readdir(home).catch(() => []);
  if (made === undefined || entries.some((entry) => entry !== homeMarkFile)) return;
  await rm(join(home, homeMarkFile), { force: true });
  // Somebody may have come meanwhile.
  if (made) await rmdir(home).catch(() => {});
}

/**
 * Throws LabError (exit code 2) if somebody keeps other things in the lab's folder; touches nothing in it. A folder that an
 * earlier version made is known by its content, and gets its mark.
 */
export async function requireOwnHome(home: string = labHome()): Promise<void> {
  if ((await homeMadeByLab(home)) !== undefined) return;
  // What can't be looked into, or is no folder, its own error tells where it is used.
  const entries = await readdir(home).catch(() => []);
  if (entries.length === 0 || (await holdsNothing(home))) return;
  if (await isOfVersionBefore(home)) {
    // A folder that may only be read is looked at all the same.
    await writeMark(home, true).catch(() => {});
    return;
  }
  const named = entries.slice(0, 3).join(", ");
  const more = entries.length > 3 ? ` and ${entries.length - 3} more` : "";
  throw new LabError(
    "home-foreign",
    `The lab's folder is to be ${home}, which is not empty and not the lab's: it holds ${named}${more}. Nothing in it was touched. Name a folder that is empty or does not exist yet, as in \`export GITOPS_LAB_HOME=${shellWord(join(home, "gitops-lab"))}\`, and run the command again.`,
    { exitCode: ExitCode.badInput },
  );
}

async function writeMark(home: string, made: boolean): Promise<void> {
  const path = join(home, homeMarkFile);
  const content = `${JSON.stringify({ schemaVersion: 1, made })}\n`;
  if (made) return writeFileAtomic(path, content, { mode: 0o600 });
  // Who finds a folder that another command has just made says nothing over that one's word.
  const draft = `${path}.${process.pid}`;
  await writeFileAtomic(draft, content, { mode: 0o600 });
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await rm(draft, { force: true });
}

/** No file in it: nothing, what a new file system has, or folders that a killed command of the lab made and did not fill. */
async function holdsNothing(home: string): Promise<boolean> {
  const entries = await readdir(home, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return false;
  for (const entry of entries) {
    if (entry.name === "lost+found") continue;
    if (entry.name.startsWith(`${homeMarkFile}.`)) continue;
    if (!entry.isDirectory() || !["cohorts", "inventory", "pulumi"].includes(entry.name)) return false;
    if ((await readdir(join(home, entry.name)).catch(() => ["?"])).length > 0) return false;
  }
  return true;
}

/** Whether the folder holds, in the lab's own form, what only the lab puts into one: a name alone says nothing. */
async function isOfVersionBefore(home: string): Promise<boolean> {
  const text = async (...path: string[]) => readFile(join(home, ...path), "utf8").catch(() => "");
  const names = (...path: string[]) => readdir(join(home, ...path)).catch(() => []);
  if (/^[0-9a-f]{8}$/.test(await text("mark")) || /^[0-9a-f]{8}$/.test(await text("github-mark"))) return true;
  if (/^[\w-]{43}$/.test(await text("passphrase"))) return true;
  if (isLeases(await text("ports.json"))) return true;
  for (const file of (await names("inventory")).filter((name) => name.endsWith(".jsonl")))
    if (/^\n?\{"event":"(created|gone)",/.test(await text("inventory", file))) return true;
  for (const cohort of await names("cohorts")) if (/^[0-9a-f-]{36}$/.test(await text("cohorts", cohort, "owner"))) return true;
  return stat(join(home, "pulumi", ".pulumi", "stacks", "gitops-lab")).then(
    (seen) => seen.isDirectory(),
    () => false,
  );
}

function isLeases(text: string): boolean {
  try {
    const leases = z.record(z.string().regex(/^[^/]+\/.+/), z.int()).parse(JSON.parse(text));
    return Object.keys(leases).length > 0;
  } catch {
    return false;
  }
}
