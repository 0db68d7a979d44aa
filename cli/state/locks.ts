import { rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { basename } from "node:path";
import { z } from "zod";
import { commandName, identify, isRunning, startOf } from "../../ledger/process-identity.ts";
import { LabError } from "../../shared/errors.ts";
import { waitUntil } from "../../shared/wait.ts";
import { note } from "../terminal.ts";
import { filesIn, readWhole, statePlaces } from "./files.ts";

const Lock = z.object({ pid: z.int(), hostname: z.string(), username: z.string().default("somebody"), timestamp: z.string().default("") });
type Lock = z.output<typeof Lock>;

/** Who holds the lock that a file of Pulumi's backend is. */
type Holder =
  | { readonly kind: "alive"; readonly pid: number }
  /** A process of this machine that runs no more, or nobody: the file is cut off and was not just begun. */
  | { readonly kind: "dead" }
  | { readonly kind: "elsewhere"; readonly lock: Lock };

/** Pulumi writes a lock under another name and then gives it its own: what is still no lock after this long becomes none. */
const writtenWithinMs = 10_000;

async function holderOf(path: string): Promise<Holder> {
  const lock = Lock.safeParse(await readWhole(path));
  const seen = await stat(path).catch(() => undefined);
  // Its draft, too, counts for Pulumi as a lock.
  if (!lock.success || !basename(path).endsWith(".json"))
    return seen !== undefined && Math.abs(Date.now() - seen.mtimeMs) < writtenWithinMs ? { kind: "alive", pid: 0 } : { kind: "dead" };
  if (lock.data.hostname !== hostname()) return { kind: "elsewhere", lock: lock.data };
  return isHeldBy(lock.data) ? { kind: "alive", pid: lock.data.pid } : { kind: "dead" };
}

/** Whether the process with this number is the one that took the lock, and not another that has got its number since. */
function isHeldBy({ pid, timestamp }: Lock): boolean {
  const holder = identify(pid);
  if (holder === undefined || !isRunning(holder) || !commandName(pid)?.includes("pulumi")) return false;
  const taken = Date.parse(timestamp);
  // The start is known to a hundredth of a second, and the machine's clock may have been set since.
  const start = startOf(holder)?.getTime() ?? 0;
  return Number.isNaN(taken) || start <= taken + 5000;
}

async function locksOf(backend: string, cohort: string): Promise<{ readonly path: string; readonly holder: Holder }[]> {
  const files = (await filesIn(statePlaces(backend, cohort).locks)).filter((path) => !path.endsWith(".attrs"));
  return Promise.all(files.map(async (path) => ({ path, holder: await holderOf(path) })));
}

async function remove(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(`${path}.attrs`, { force: true });
}

/** Locks in the folder of a file backend that nobody holds. */
export async function staleLocks(backend: string): Promise<{ readonly path: string; readonly remove: () => Promise<void> }[]> {
  const folder = statePlaces(backend, "*").locks.replace(/\*$/, "");
  const files = (await filesIn(folder, "*/*")).filter((path) => !path.endsWith(".attrs"));
  const stale = await Promise.all(files.map(async (path) => ((await holderOf(path)).kind === "dead" ? [path] : [])));
  return stale.flat().map((path) => ({ path, remove: () => remove(path) }));
}

/** Removes the locks that nobody holds. Returns the others. */
export async function dropDeadLocks(backend: string, cohort: string): Promise<{ readonly path: string; readonly holder: Holder }[]> {
  const locks = await locksOf(backend, cohort);
  for (const { path, holder } of locks) if (holder.kind === "dead") await remove(path);
  return locks.filter(({ holder }) => holder.kind !== "dead");
}

/** What is to become of a lock that a process of another machine took: nobody here can tell whether it runs. */
export type ForeignLocks = "refuse" | "take away";

/** Who works on a state writes it more often than this. */
const quietMs = 60_000;

/**
 * Waits until nobody works on a cohort's state. A killed operation leaves its lock: one that names a process of this machine which
 * no longer runs is taken away. Throws LabError `state-locked` for one of another machine; where all is to go it is taken away
 * once that machine writes no more.
 */
export async function awaitUnlocked(backend: string, cohort: string, foreign: ForeignLocks): Promise<void> {
  let told = false;
  const tell = (text: string) => {
    if (!told) note(text);
    told = true;
  };
  await waitUntil(
    async () => {
      const held = await dropDeadLocks(backend, cohort);
      for (const { path, holder } of held) {
        if (holder.kind !== "elsewhere") continue;
        if (foreign === "refuse") throw lockedElsewhere(cohort, holder.lock);
        if ((await sinceWritten(path, statePlaces(backend, cohort).checkpoint)) < quietMs) {
          tell(
            `${words(holder.lock)} holds the state of cohort ${cohort} and has just written it: waiting until it is quiet for a minute.`,
          );
          return { done: false, because: `${words(holder.lock)} has just written the state.` };
        }
        note(`${words(holder.lock)} held the state of cohort ${cohort}. Its lock is taken away, since all of the cohort is to go.`);
        await remove(path);
      }
      const pid = held.flatMap(({ holder }) => (holder.kind === "alive" ? [holder.pid] : []))[0];
      if (pid === undefined) return { done: true, value: undefined };
      if (pid !== 0) tell(`Waiting for another operation on cohort ${cohort} to end (process ${pid}).`);
      return { done: false, because: pid === 0 ? "a lock is being written." : `process ${pid} holds the stack's lock.` };
    },
    {
      what: `another operation on cohort ${cohort} to end`,
      timeoutSeconds: 900,
      intervalMs: 500,
      remedy: "If that process hangs, end it with `kill` and run the command again.",
    },
  );
}

/** Milliseconds between now and when the last of the files was written, also where the clock was put back since. */
async function sinceWritten(...paths: readonly string[]): Promise<number> {
  const ages = await Promise.all(
    paths.map(async (path) => Math.abs(Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? 0))),
  );
  return Math.min(...ages);
}

const words = ({ hostname: host, username, pid, timestamp }: Lock) =>
  `Process ${pid} of ${username} on ${host}${timestamp === "" ? "" : ` (since ${timestamp.slice(0, 19)})`}`;

/** The command that takes away every lock on a cohort's state. */
export const unlock = (cohort: string) => `(eval "$(./lab env)" && pulumi cancel --yes --stack ${cohort})`;

function lockedElsewhere(cohort: string, lock: Lock): LabError {
  return new LabError(
    "state-locked",
    `${words(lock)} holds the state of cohort ${cohort}, and this machine is called ${hostname()}: whether it still runs can't be seen from here. If it does, wait for it to end. If it does not, or this machine had that name before, take the lock away with \`${unlock(cohort)}\` and run the command again.`,
  );
}
