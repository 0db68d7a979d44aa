import { randomUUID } from "node:crypto";
import { readlinkSync } from "node:fs";
import { mkdir, readdir, rename, rmdir, stat, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "./errors.ts";
import { bootId, startTimeOf } from "./proc.ts";
import { shellWord } from "./shell-word.ts";

/*
 * Locks between the lab's processes. A lock is a folder `<path>.lock` with an empty file in it whose name is its holder: which
 * process of which boot. So nobody has to renew it in time, as a busy machine or one that slept does not; a clock that is put
 * forward or back means nothing; and what a killed process held is free at once.
 */

const waitSeconds = 60;
const firstWaitMs = 10;
const longestWaitMs = 200;

/** Does something while no other process of the lab does so under the same path, which need not exist. Throws LabError `lock-held`. */
export async function locked<T>(
  path: string,
  work: () => Promise<T>,
  timeoutSeconds = waitSeconds,
  /** Called once where somebody else holds it. */
  onWait: () => void = () => {},
): Promise<T> {
  const lock = `${path}.lock`;
  const release = await acquire(lock, timeoutSeconds, onWait);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function acquire(lock: string, timeoutSeconds: number, onWait: () => void): Promise<() => Promise<void>> {
  const holder = `${thisProcess()}.${randomUUID()}`;
  const draft = join(dirname(lock), `${basename(lock)}.${holder}`);
  await mkdir(draft, { mode: 0o700 });
  try {
    await writeFile(join(draft, holder), "");
    const deadline = performance.now() + timeoutSeconds * 1000;
    for (let waitMs = firstWaitMs; !(await take(draft, lock)); waitMs = Math.min(waitMs * 2, longestWaitMs)) {
      if (waitMs === firstWaitMs) onWait();
      if (performance.now() > deadline) throw held(lock, timeoutSeconds, await holdersOf(lock));
      await delay(waitMs * (0.5 + Math.random()));
    }
  } catch (error) {
    await drop(draft, [holder]);
    throw error;
  }
  return () => drop(lock, [holder]);
}

/** Puts the draft in the lock's place, unless a living process is there. */
async function take(draft: string, lock: string): Promise<boolean> {
  if (await isAbandoned(lock)) await drop(lock, await holdersOf(lock));
  // What an earlier version holds is an empty folder, which a rename would take away.
  else if ((await holdersOf(lock)).length === 0 && (await ageMs(lock)) !== undefined) return false;
  try {
    await rename(draft, lock);
    return true;
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** Whether nobody holds a lock who could still let go of it; false where there is none. */
export async function isAbandoned(lock: string): Promise<boolean> {
  const age = await ageMs(lock);
  if (age === undefined) return false;
  const entries = await entriesOf(lock);
  const holders = entries.filter((entry) => holderForm.test(entry));
  // What else is in it is not the lab's to take away.
  if (holders.length < entries.length) return false;
  // Who is in another namespace of processes, or of an earlier version, can't be looked up. Their locks last seconds.
  const unknown = holders.length === 0 || holders.some((holder) => lives(holder) === undefined);
  return unknown ? Math.abs(age) > unknownForMs : holders.every((holder) => lives(holder) === false);
}

const unknownForMs = 15_000;

/** Takes an abandoned lock away, but not that of a process that has taken it meanwhile. */
export async function dropAbandoned(lock: string): Promise<void> {
  if (await isAbandoned(lock)) await drop(lock, await holdersOf(lock));
}

/** Removes by name, so that another process' file in the same place stays. */
async function drop(folder: string, holders: readonly string[]): Promise<void> {
  for (const holder of holders) await unlink(join(folder, holder)).catch(unlessCode("ENOENT"));
  await rmdir(folder).catch(unlessCode("ENOENT", "ENOTEMPTY", "EEXIST"));
}

/** Who is in a lock. */
async function holdersOf(lock: string): Promise<string[]> {
  return (await entriesOf(lock)).filter((entry) => holderForm.test(entry));
}

async function entriesOf(lock: string): Promise<string[]> {
  return readdir(lock).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    // A file in its place is not the lab's.
    if (error.code === "ENOTDIR") return ["."];
    throw error;
  });
}

/** Milliseconds since the lock was made or renewed, less than none where the clock was put back; undefined where there is none. */
async function ageMs(lock: string): Promise<number | undefined> {
  const seen = await stat(lock).catch(() => undefined);
  return seen === undefined ? undefined : Date.now() - seen.mtimeMs;
}

const uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const holderForm = new RegExp(`^${uuid}\\.\\d*\\.\\d+\\.\\d+\\.${uuid}$`);

/** Boot, namespace of processes, pid and start: no other process is called so, ever. */
function thisProcess(): string {
  return [bootId(), processNamespace(), process.pid, startTimeOf(process.pid)].join(".");
}

/** Whether a holder runs; undefined where that can't be told. */
function lives(holder: string): boolean | undefined {
  const [boot, namespace, pid, start] = holder.split(".");
  if (start === undefined) return undefined;
  if (boot !== bootId()) return false;
  if (namespace !== processNamespace()) return undefined;
  return startTimeOf(Number(pid)) === start;
}

const processNamespace = () => /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "";

function held(lock: string, seconds: number, holders: readonly string[]): LabError {
  const pids = holders.flatMap((holder) => holder.split(".")[2] ?? []);
  const help =
    pids.length === 0
      ? `Where no other command of the lab runs, what is there is not the lab's: move it away with \`mv ${shellWord(lock)} ${shellWord(`${lock}.old`)}\`.`
      : `Run the command again when that one has ended; if it hangs, end it with \`kill ${pids.join(" ")}\` before.`;
  return new LabError(
    "lock-held",
    `Waited ${seconds} s for another process of the lab${pids.length === 0 ? "" : ` (pid ${pids.join(", ")})`} to let go of ${lock}, in vain. ${help}`,
  );
}

function unlessCode(...codes: readonly string[]) {
  return (error: NodeJS.ErrnoException) => {
    if (!codes.includes(error.code ?? "")) throw error;
  };
}
