import { mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { messageOf } from "../../shared/errors.ts";
import { startDetached } from "../../shared/exec.ts";
import { findMarked, identify, isOfThisUser, isRunning, leadsGroup, mark, type ProcessIdentity } from "../../ledger/process-identity.ts";
import { endProcess, gone } from "./end-process.ts";
import { startInRoom, watchInRoom } from "./start-in-room.ts";
import type { ProcessEntry, ProcessSpec, ProcessTable } from "./process-table.ts";

/** What the supervisor says of a process. */
export interface ProcessStatus {
  readonly name: string;
  readonly owner: string;
  /** `awaiting-pod`: down for as long as the cluster has no pod for it. */
  readonly state: "running" | "restarting" | "paused" | "awaiting-pod";
  readonly pid?: number;
  /** Of the process that runs, or ran last. */
  readonly identity?: ProcessIdentity;
  readonly restarts: number;
  readonly lastExit?: { readonly at: string; readonly reason: string };
}

interface Supervised {
  entry: ProcessEntry;
  /** Set while the process is to run; aborting it ends supervision, not the process. */
  supervision?: AbortController;
}

const firstBackoffMs = 250;
const longestBackoffMs = 30_000;
/** A process that lived this long starts again at the first back-off. */
const healthyAfterMs = 60_000;
const largestLogBytes = 8 * 1024 * 1024;

/**
 * Keeps the wanted processes of a cohort running: starts them, starts again what dies (with exponential back-off), and
 * adopts what an earlier daemon started. The processes lead their own sessions, so neither the daemon's death nor Ctrl-C
 * in a terminal ends them.
 */
export class Supervisor {
  readonly #table: ProcessTable;
  readonly #processes = new Map<string, Supervised>();
  readonly #tell: (spec: ProcessSpec, identity?: ProcessIdentity) => Promise<void>;
  readonly #ensuring = new Map<string, Promise<void>>();
  readonly #listeners: ((owner: string) => void)[] = [];
  #writing: Promise<void> = Promise.resolve();

  /** @param tell is told of each process before it is started for the first time, and of each start */
  constructor(table: ProcessTable, tell: (spec: ProcessSpec, identity?: ProcessIdentity) => Promise<void> = async () => {}) {
    this.#table = table;
    this.#tell = tell;
  }

  /** Has it called after every change of an owner's processes; `status` tells what came of it. */
  onChange(listener: (owner: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Adopts or starts everything that the table wants and nobody holds down. */
  async start(): Promise<void> {
    // What runs in a room says of itself what it likes; the room tells of those.
    const leaders = findMarked(this.#table.folder).filter(({ identity }) => leadsGroup(identity) && isOfThisUser(identity));
    for (const entry of await this.#table.read()) {
      // A daemon killed between a start and the note of it leaves a process that only its mark tells.
      const unnoted = leaders.find(({ name }) => name === entry.spec.name);
      if (unnoted !== undefined && entry.spec.room === undefined) entry.identity = unnoted.identity;
      const supervised: Supervised = { entry };
      this.#processes.set(entry.spec.name, supervised);
      this.#superviseUnlessDown(supervised);
    }
    this.#tellOfChange([...this.#processes.values()]);
  }

  /** Makes the process run with exactly this spec; a running one with another spec is replaced. */
  ensure(spec: ProcessSpec): Promise<void> {
    // One after another: who asked first may have been killed, and whoever goes on from there asks while the old one ends.
    const next = (this.#ensuring.get(spec.name) ?? Promise.resolve()).catch(() => undefined).then(() => this.#ensure(spec));
    this.#ensuring.set(spec.name, next);
    return next;
  }

  async #ensure(spec: ProcessSpec): Promise<void> {
    const present = this.#processes.get(spec.name);
    if (present !== undefined) {
      if (isDeepStrictEqual(present.entry.spec, spec)) {
        delete present.entry.awaitsPod;
        if (present.supervision === undefined) await this.resume((other) => other.name === spec.name, true);
        return;
      }
      await this.remove((other) => other.name === spec.name, "SIGTERM");
    }
    const supervised: Supervised = { entry: { spec, restarts: 0 } };
    this.#processes.set(spec.name, supervised);
    await this.#tell(spec);
    // On disk before it runs: a daemon killed between the two leaves an entry, never an unknown process.
    await this.#save([supervised]);
    this.#supervise(supervised);
  }

  /**
   * Ends the selected processes and keeps them wanted; `resume` starts them again.
   *
   * @param lasting whether they stay down until they are resumed as such; otherwise a new daemon starts them, too
   */
  async pause(selects: (spec: ProcessSpec) => boolean, lasting: boolean): Promise<void> {
    const selected = this.#selected(selects);
    if (lasting) for (const { entry } of selected) entry.paused = true;
    await this.#endAll(selected, "SIGTERM");
    await this.#save(selected);
  }

  /** @param paused also those whose pause is lasting */
  async resume(selects: (spec: ProcessSpec) => boolean, paused: boolean): Promise<void> {
    const selected = this.#selected(selects);
    for (const process of selected) {
      if (process.entry.paused === true && !paused) continue;
      delete process.entry.paused;
      this.#superviseUnlessDown(process);
    }
    await this.#save(selected);
  }

  /** Ends a process and keeps it down until `takeUp`, whatever is resumed meanwhile: its pod is gone. */
  async letGo(name: string): Promise<void> {
    const process = this.#processes.get(name);
    if (process === undefined) return;
    process.entry.awaitsPod = true;
    // On disk before it ends: a daemon killed between the two leaves nothing that the next one would start again.
    await this.#save([process]);
    await this.#end(process, "SIGTERM");
    this.#tellOfChange([process]);
  }

  /** Starts what was let go, for a new pod and so with a new count. */
  async takeUp(name: string): Promise<void> {
    const process = this.#processes.get(name);
    if (process?.entry.awaitsPod !== true) return;
    delete process.entry.awaitsPod;
    delete process.entry.lastExit;
    process.entry.restarts = 0;
    this.#superviseUnlessDown(process);
    await this.#save([process]);
  }

  /** Ends the selected processes for good. */
  async remove(selects: (spec: ProcessSpec) => boolean, signal: NodeJS.Signals): Promise<void> {
    const selected = this.#selected(selects);
    await this.#endAll(selected, signal);
    for (const process of selected) this.#processes.delete(process.entry.spec.name);
    await this.#save(selected);
  }

  status(): ProcessStatus[] {
    return [...this.#processes.values()].map(statusOf);
  }

  /** Of one process by name; undefined where it is not wanted. */
  statusOf(name: string): ProcessStatus | undefined {
    const process = this.#processes.get(name);
    return process && statusOf(process);
  }

  #selected(selects: (spec: ProcessSpec) => boolean): Supervised[] {
    return [...this.#processes.values()].filter(({ entry }) => selects(entry.spec));
  }

  #superviseUnlessDown(process: Supervised): void {
    const { paused, awaitsPod } = process.entry;
    if (process.supervision === undefined && paused !== true && awaitsPod !== true) this.#supervise(process);
  }

  #supervise(process: Supervised): void {
    const supervision = new AbortController();
    process.supervision = supervision;
    void this.#keepRunning(process, supervision.signal);
  }

  async #keepRunning(process: Supervised, signal: AbortSignal): Promise<void> {
    let backoffMs = firstBackoffMs;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const reason = await this.#runOnce(process, signal);
      if (signal.aborted) return;
      process.entry.lastExit = { at: new Date().toISOString(), reason };
      process.entry.restarts += 1;
      await this.#save([process]);
      if (performance.now() - startedAt > healthyAfterMs) backoffMs = firstBackoffMs;
      await delay(backoffMs, undefined, { signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
    }
  }

  /** Starts the process, or adopts the one that runs, and returns why it ended. */
  async #runOnce(process: Supervised, signal: AbortSignal): Promise<string> {
    const { entry } = process;
    const { room } = entry.spec;
    if (room === undefined && entry.identity !== undefined && isRunning(entry.identity)) {
      await gone(entry.identity, signal);
      return "ended (it was started by an earlier daemon, so its exit code is not known)";
    }
    try {
      prepareLog(entry.spec.logFile);
      const own = mark(this.#table.folder, entry.spec.name);
      const { pid, ended } =
        room === undefined
          ? startDetached(entry.spec.command, entry.spec.args, { ...entry.spec, env: { ...entry.spec.env, ...own } })
          : ((await watchInRoom({ ...entry.spec, room })) ?? (await startInRoom({ ...entry.spec, room }, own)));
      const identity = pid === undefined ? undefined : identify(pid);
      if (identity !== undefined) {
        entry.identity = identity;
        await this.#save([process]);
        await this.#tell(entry.spec, identity);
      }
      // Was to end while it was being started.
      if (signal.aborted && identity !== undefined) await endProcess(identity, "SIGTERM");
      return await ended;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** A room ends last: with it whatever is left in it ends at once. */
  async #endAll(processes: readonly Supervised[], signal: NodeJS.Signals): Promise<void> {
    const [guests, others] = [true, false].map((isGuest) => processes.filter(({ entry }) => (entry.spec.room !== undefined) === isGuest));
    for (const group of [guests!, others!]) await Promise.all(group.map((process) => this.#end(process, signal)));
  }

  async #end(process: Supervised, signal: NodeJS.Signals): Promise<void> {
    process.supervision?.abort();
    delete process.supervision;
    if (process.entry.identity !== undefined) await endProcess(process.entry.identity, signal);
  }

  /** Writes the table after these changed; writes queue up so that the last state wins. */
  #save(changed: readonly Supervised[]): Promise<void> {
    this.#tellOfChange(changed);
    this.#writing = this.#writing
      .catch(() => undefined)
      .then(() => this.#table.write([...this.#processes.values()].map(({ entry }) => entry)));
    return this.#writing;
  }

  #tellOfChange(changed: readonly Supervised[]): void {
    for (const owner of new Set(changed.map(({ entry }) => entry.spec.owner))) for (const listener of this.#listeners) listener(owner);
  }
}

function statusOf({ entry, supervision }: Supervised): ProcessStatus {
  const { spec, identity, restarts, paused, awaitsPod, lastExit } = entry;
  const running = identity !== undefined && isRunning(identity);
  const down = awaitsPod === true && paused !== true ? "awaiting-pod" : "paused";
  return {
    name: spec.name,
    owner: spec.owner,
    state: running ? "running" : supervision === undefined ? down : "restarting",
    ...(running && { pid: identity.pid }),
    ...(identity !== undefined && { identity }),
    restarts,
    ...(lastExit !== undefined && { lastExit }),
  };
}

function prepareLog(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > largestLogBytes) renameSync(file, `${file}.1`);
}
