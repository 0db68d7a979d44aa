import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { messageOf } from "./errors.ts";
import { sizeText } from "./limits.ts";
import { decodePersonText, type PersonFileKind, type PersonText } from "./person-text.ts";

/** A file's bytes, or a clause that says why there are none. `missing` where there is no such file. */
export type PersonBytes = { readonly bytes: Buffer } | { readonly problem: string; readonly missing: boolean };

/** Beyond what people write by hand or export of one course. */
export const largestPersonFile = 1024 * 1024;

/**
 * Reads a file that a person has named. A folder, a pipe or a device is refused before anything waits for it, and so is what is
 * too large.
 */
export function readPersonBytes(path: string, mostBytes: number = largestPersonFile): PersonBytes {
  const refuse = (problem: string, missing = false) => ({ problem, missing });
  let file: number;
  try {
    // Without O_NONBLOCK a pipe without a writer would keep the caller waiting.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return refusal(error, refuse);
  }
  try {
    const status = fstatSync(file);
    if (status.isDirectory()) return refuse("is a folder, and must be a file");
    if (!status.isFile()) return refuse("is no ordinary file. Write its content to one");
    if (status.size > mostBytes)
      return refuse(`has ${sizeText(status.size)}, and no more than ${sizeText(mostBytes)} are read. Name another file`);
    return { bytes: readFileSync(file) };
  } catch (error) {
    return refusal(error, refuse);
  } finally {
    closeSync(file);
  }
}

function refusal(error: unknown, refuse: (problem: string, missing?: boolean) => PersonBytes): PersonBytes {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return refuse("can't be read: there is no such file", true);
  if (code === "EACCES" || code === "EPERM") return refuse("can't be read by your account: look at its mode with `ls -l`");
  if (code === "ENXIO") return refuse("is no ordinary file. Write its content to one");
  return refuse(`can't be read: ${messageOf(error)}`);
}

/** The text of a file that a person has named, as `decodePersonText` reads it. */
export function readPersonText(
  path: string,
  kind: PersonFileKind,
  { mostBytes, ...encoding }: { readonly mostBytes?: number; readonly utf16?: boolean } = {},
): PersonText & { readonly missing?: boolean } {
  const read = readPersonBytes(path, mostBytes);
  return "problem" in read ? read : decodePersonText(read.bytes, kind, encoding);
}
