import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { ProcessTable } from "./process-table.ts";
import { log } from "../log.ts";

/** A log beyond this is begun anew. */
const largestBytes = 8 * 1024 * 1024;
/** Of its end this much is kept beside it, as `<log>.1`. */
const keptBytes = 1024 * 1024;
const lookEveryMs = 60_000;

/** Keeps the logs of a cohort's running processes small: some tell of every request that is refused, and one can ask for ever. */
export async function keepLogsSmall(table: ProcessTable, own: string): Promise<never> {
  for (;;) {
    await delay(lookEveryMs, undefined, { ref: false });
    await shortenLogs(table, own);
  }
}

/**
 * Shortens those of a cohort's logs that are too long.
 *
 * @param own the daemon's, which is in no table
 */
export async function shortenLogs(table: ProcessTable, own: string, largest?: number, kept?: number): Promise<void> {
  const entries = await table.read().catch(() => []);
  for (const file of new Set([own, ...entries.map(({ spec }) => spec.logFile)]))
    await shortenLog(file, largest, kept).catch((error: unknown) => log("error", "a log was not shortened", { error }));
}

/**
 * Shortens one log where it is too long. Processes have theirs open for appending, so they go on at its new end. No link is
 * followed: a process may have put one there, to a file that is none of its own.
 */
export async function shortenLog(file: string, largest: number = largestBytes, kept: number = keptBytes): Promise<void> {
  const log = await openOrdinary(file, constants.O_RDWR);
  if (log === undefined) return;
  try {
    const { size } = await log.stat();
    if (size <= largest) return;
    const { buffer, bytesRead } = await log.read(Buffer.alloc(Math.min(kept, size)), 0, Math.min(kept, size), Math.max(0, size - kept));
    const end = await openOrdinary(`${file}.1`, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC);
    try {
      // From the first line that is whole.
      const from = buffer.subarray(0, bytesRead).indexOf("\n") + 1;
      await end?.write(buffer, from, bytesRead - from);
    } finally {
      await end?.close();
    }
    await log.truncate(0);
  } finally {
    await log.close();
  }
}

/** Opens a log; undefined where there is none, or where it is no ordinary file. No link is followed. */
export async function openOrdinary(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    // Without O_NONBLOCK a pipe in the file's place would keep the caller waiting.
    const file = await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENXIO", "EISDIR", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
