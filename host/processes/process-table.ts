import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { readState, writeState } from "../../shared/state-file.ts";
import { ProcessIdentity } from "../../ledger/process-identity.ts";
import { Place } from "./place.ts";

/** A process that is to run until it is removed. Holds no secrets: those are in files that `args` name. */
export const ProcessSpec = z.object({
  /** Unique in the cohort, e.g. `ada/kube-apiserver`. */
  name: z.string(),
  /** `cohort`, or the learner it belongs to. */
  owner: z.string(),
  command: z.string(),
  args: z.array(z.string()),
  /** The whole environment: nothing is inherited. */
  env: z.record(z.string(), z.string()),
  cwd: z.string(),
  logFile: z.string(),
  /** The room that it runs in, in which `cwd` and paths in `args` and `env` are then; a process of the host without. */
  room: Place.optional(),
});
export type ProcessSpec = z.output<typeof ProcessSpec>;

export const ProcessEntry = z.object({
  spec: ProcessSpec,
  /** The process that runs now, or ran last. */
  identity: ProcessIdentity.optional(),
  restarts: z.int(),
  /** Kept down until it is resumed by name, also by a new daemon. */
  paused: z.boolean().optional(),
  /** Kept down, also by a new daemon, until there is a pod again that stands for it. */
  awaitsPod: z.boolean().optional(),
  lastExit: z.object({ at: z.iso.datetime(), reason: z.string() }).optional(),
});
export type ProcessEntry = z.output<typeof ProcessEntry>;

/**
 * The cohort's wanted processes and the pids they got, on disk, so that a new daemon adopts what the last one started
 * and a teardown finds every process without a daemon. Written by the daemon alone while one runs.
 */
export class ProcessTable {
  readonly folder: string;
  readonly #file: string;

  constructor(daemonFolder: string) {
    this.folder = daemonFolder;
    this.#file = join(daemonFolder, "processes.json");
  }

  async read(): Promise<ProcessEntry[]> {
    const remedy = `Run \`./lab down ${basename(dirname(this.folder))}\`, which finds the processes by their marks, and then \`./lab up ${basename(dirname(this.folder))}\`.`;
    return (await readState(this.#file, z.array(ProcessEntry), { what: "The list of the cohort's processes", remedy })) ?? [];
  }

  async write(entries: readonly ProcessEntry[]): Promise<void> {
    await writeState(this.#file, JSON.stringify(entries, null, 2));
  }
}
