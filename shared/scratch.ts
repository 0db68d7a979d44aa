import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { homeMark, labHome } from "./paths.ts";
import { startTimeOf } from "./proc.ts";

/**
 * A new folder among the temporary ones, for its maker to remove. Its name tells the lab home and the process that made it.
 * So a killed process' folder is known without a note, which the process might not have written in time.
 */
export function makeScratchFolder(purpose: string, parent: string = tmpdir()): Promise<string> {
  return mkdtemp(`${scratchBeginning(purpose, parent)}-${process.pid}-${startTimeOf(process.pid)}-`);
}

/** How the paths of such folders begin: `-<pid>-<start time>-<random>` follows. */
export function scratchBeginning(purpose: string, parent: string = tmpdir(), env?: NodeJS.ProcessEnv): string {
  return join(parent, `gitops-lab-${purpose}-${homeMark(env)}`);
}

/** The folders of this lab home and this user in `parent` whose makers are gone. */
export async function abandonedScratchIn(parent: string): Promise<string[]> {
  const pattern = new RegExp(`^gitops-lab-[a-z]+-${homeMark()}-(\\d+)-(\\d+)-`);
  const names = await readdir(parent).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const [, pid, startTime] = pattern.exec(name) ?? [];
      if (pid === undefined || startTimeOf(Number(pid)) === startTime) return [];
      const path = join(parent, name);
      // Others may make folders here, too, and links to one of this user's, and give them any name.
      const seen = await lstat(path).catch(() => undefined);
      return seen?.isDirectory() && seen.uid === process.getuid?.() ? [path] : [];
    }),
  );
  return found.flat();
}

/** The same in both places where there are any. */
export async function abandonedScratch(): Promise<string[]> {
  return [...(await abandonedScratchIn(tmpdir())), ...(await abandonedScratchIn(labHome()))];
}

/**
 * Removes the temporary folders of this lab home's killed processes. They are of no use, and some hold credentials. Returns
 * those that it could not remove.
 */
export async function dropAbandonedScratch(): Promise<string[]> {
  for (const folder of await abandonedScratch()) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  return abandonedScratch();
}
