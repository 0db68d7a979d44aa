import { lstat, readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { z } from "zod";

/*
 * How long each file of an installed tool is. A file that a full disk or a lost machine has cut off is found by that before it
 * is run, at the price of a look at the folder; the folder then counts as not installed, and is made anew.
 */
const fileName = "sizes.json";
const Sizes = z.record(z.string(), z.int());

/** Notes the sizes of the files in a folder that is complete, or of those `of` it that matter: each is looked at whenever the tool is. */
export async function noteSizes(folder: string, of: readonly string[] = ["."]): Promise<void> {
  const sizes = await Promise.all(of.map((part) => sizesIn(folder, part)));
  await writeFile(join(folder, fileName), JSON.stringify(Object.assign({}, ...sizes)));
}

/** Whether the files are as long as they were; true where nobody noted it, as versions before did not. */
export async function hasNotedSizes(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, fileName), "utf8").catch(() => undefined);
  if (text === undefined) return true;
  try {
    const noted = Object.entries(Sizes.parse(JSON.parse(text)));
    return (await Promise.all(noted.map(async ([path, size]) => (await lstat(join(folder, path))).size === size))).every(Boolean);
  } catch {
    return false;
  }
}

async function sizesIn(folder: string, part: string): Promise<Record<string, number>> {
  const entries = await readdir(join(folder, part), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== fileName).map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(await Promise.all(files.map(async (path) => [relative(folder, path), (await lstat(path)).size])));
}
