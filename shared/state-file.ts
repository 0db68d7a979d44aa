import { link, rm } from "node:fs/promises";
import type { z } from "zod";
import { LabError } from "./errors.ts";
import { readIfExists, writePrivateFile } from "./private-files.ts";

/*
 * JSON files in which the lab keeps what it knows. Each is written in one step, and forced to the disk before it is in its
 * place; yet a lost machine, a full or a failing disk may leave one that is empty or cut off. So the state before stays beside
 * it, which was on the disk long before: a write that is lost then costs what it changed, and not all that was known.
 */

/** Where the state before is. */
export const before = (path: string) => `${path}.before`;

/** Writes a file of mode 0600 in one step, and keeps what was in it as `<path>.before`. */
export async function writeState(path: string, content: string): Promise<void> {
  const present = await readIfExists(path);
  // What can't be read is not worth keeping: the state before it is.
  if (present !== undefined && parse(present) !== undefined) {
    await rm(before(path), { force: true });
    await link(path, before(path)).catch(unlessMissing);
  }
  await writePrivateFile(path, content);
}

export interface StateOptions<T> {
  /** What the file is, as the beginning of a sentence. */
  readonly what: string;
  /** The command that helps where nothing of it can be read. */
  readonly remedy: string;
  /** What holds where nothing of it can be read; without it that is an error. */
  readonly orElse?: T | undefined;
}

/**
 * What the file says; undefined where there is none. Of one that is damaged it is what the file said before. Throws LabError
 * `state-torn` where neither can be read and nothing holds in its place.
 */
export async function readState<S extends z.ZodType>(
  path: string,
  schema: S,
  { what, remedy, ...options }: StateOptions<z.output<S>>,
): Promise<z.output<S> | undefined> {
  const text = await readIfExists(path);
  if (text === undefined) return undefined;
  for (const one of [text, await readIfExists(before(path))]) {
    const parsed = one === undefined ? undefined : schema.safeParse(parse(one));
    if (parsed?.success) return parsed.data;
  }
  if ("orElse" in options) return options.orElse;
  throw new LabError(
    "state-torn",
    `${what} can't be read: ${path} is ${text.trim() === "" ? "empty" : "cut off, or not of this program"}, as a lost machine or a full disk may leave it, and there is no readable ${before(path)} beside it. ${remedy}`,
  );
}

/** Removes the file with what was kept beside it. */
export async function removeState(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(before(path), { force: true });
}

/** Undefined for what is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  // Somebody removed it meanwhile, or keeps the same state beside it at this moment.
  if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
}
