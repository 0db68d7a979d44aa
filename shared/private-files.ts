import { randomUUID } from "node:crypto";
import { chmod, link, mkdir, readFile, rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { claimHome } from "./lab-home.ts";
import { labHome } from "./paths.ts";

/**
 * Creates a folder (and its parents) that only its owner can enter. One that was there keeps its mode, but for what is in the lab's
 * folder: that is the lab's own.
 */
export async function makePrivateFolder(path: string): Promise<string> {
  const isInHome = await claimedHome(path);
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made !== undefined || (isInHome && path !== labHome())) await chmod(path, 0o700);
  return path;
}

/** Whether the path is the lab's folder or in it; then the folder is made, and marked as the lab's, where it was not yet. */
async function claimedHome(path: string): Promise<boolean> {
  if (!`${path}/`.startsWith(`${labHome()}/`)) return false;
  await claimHome();
  return true;
}

/** Writes a file of mode 0600 in one step: a reader sees the old content or the new, never a part. */
export async function writePrivateFile(path: string, content: string | Buffer): Promise<void> {
  await claimedHome(path);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFileAtomic(path, content, { mode: 0o600 });
}

/**
 * Makes a file of mode 0600 unless there is one. It is linked into place whole and only once: of two that make it at once
 * both find the same content, and nobody reads a part.
 */
export async function createPrivateFile(path: string, content: string | Buffer): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  await writePrivateFile(draft, content);
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft);
  }
}

/** Reads a text file; undefined where there is none, also where what should be its folder is a file. */
export async function readIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Removes a folder in which nothing is left; leaves any other and a file in its place, and does nothing where there is none. */
export async function removeIfEmpty(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
