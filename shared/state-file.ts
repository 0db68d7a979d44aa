import { rm } from "node:fs/promises";
import type { z } from "zod";
import { LabError } from "./errors.ts";
import { readIfExists, writePrivateFile } from "./private-files.ts";

/*
 * JSON files in which the lab keeps what it knows. Each is written in one step, and forced to the disk before it is in its
 * place; yet a lost machine, a full or a failing disk may leave one that is empty or cut off. So there are two of each, written
 * one after the other: whenever the power goes, one of them is whole, with what the write brought or with what was before.
 */

/** Where the second one is. */
export const copyOf = (path: string) => `${path}.copy`;

/** Writes a file of mode 0600 and its copy, each in one step; the copy first, so that what is in the file's place is never newer. */
export async function writeState(path: string, content: string): Promise<void> {
  await writePrivateFile(copyOf(path), content);
  await writePrivateFile(path, content);
}

/** How to treat a file that can't be read. */
export type StateOptions<T> =
  | {
      /** What the file is, as the beginning of a sentence. */
      readonly what: string;
      /** The command that helps. */
      readonly remedy: string;
    }
  /** What holds in its place. */
  | { readonly orElse: T | undefined };

/**
 * The content of the file; undefined if there is none. If the file is damaged, the content of its copy. Throws LabError
 * `state-torn` if neither can be read and nothing holds in its place.
 */
export async function readState<S extends z.ZodType>(
  path: string,
  schema: S,
  options: StateOptions<z.output<S>>,
): Promise<z.output<S> | undefined> {
  const text = await readIfExists(path);
  if (text === undefined) return undefined;
  for (const one of [text, await readIfExists(copyOf(path))]) {
    const parsed = one === undefined ? undefined : schema.safeParse(parse(one));
    if (parsed?.success) return parsed.data;
  }
  if ("orElse" in options) return options.orElse;
  throw new LabError(
    "state-torn",
    `${options.what} can't be read: ${path} is ${text.trim() === "" ? "empty" : "cut off, or not of this program"}, as a lost machine or a full disk may leave it. Its copy, ${copyOf(path)}, is damaged or missing too. ${options.remedy}`,
  );
}

/** Removes the file and its copy. */
export async function removeState(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(copyOf(path), { force: true });
}

/** Undefined for what is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
