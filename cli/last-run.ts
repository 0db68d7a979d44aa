import { join } from "node:path";
import { z } from "zod";
import type { CohortPaths } from "../shared/paths.ts";
import { readState, writeState } from "../shared/state-file.ts";
import { RunCommand } from "./progress/events.ts";

const LearnerRun = z.object({
  /** `unfinished` is written before a run begins, so that a killed one leaves it. */
  result: z.enum(["up", "failed", "unfinished"]),
  command: RunCommand,
  at: z.iso.datetime(),
  cause: z.string().optional(),
});
export type LearnerRun = z.output<typeof LearnerRun>;

const LastRun = z.object({ schemaVersion: z.literal(1), learners: z.record(z.string(), LearnerRun) });

const fileOf = (paths: CohortPaths) => join(paths.root, "last-run.json");

/** Each learner's outcome in their last run, by id; empty where there was none. */
export async function readLastRun(paths: CohortPaths): Promise<Readonly<Record<string, LearnerRun>>> {
  // Damaged, or of another version: then the state has to tell.
  return (await readState(fileOf(paths), LastRun, { orElse: undefined }))?.learners ?? {};
}

/** Keeps each learner's outcome while a run goes on, so that it is there however the run ends. */
export class LastRunRecord {
  readonly #paths: CohortPaths;
  readonly #learners: Record<string, LearnerRun>;
  #written: Promise<void> = Promise.resolve();

  private constructor(paths: CohortPaths, learners: Record<string, LearnerRun>) {
    this.#paths = paths;
    this.#learners = learners;
  }

  /**
   * Begins a run for these learners.
   *
   * @param roster everybody in the cohort file; nothing is kept about others
   */
  static async begin(paths: CohortPaths, command: RunCommand, about: readonly string[], roster: readonly string[]): Promise<LastRunRecord> {
    const before = await readLastRun(paths);
    const kept = Object.fromEntries(roster.flatMap((id) => (Object.hasOwn(before, id) ? [[id, before[id]!]] : [])));
    const record = new LastRunRecord(paths, kept);
    for (const id of about) record.note(id, { result: "unfinished", command, at: new Date().toISOString() });
    await record.written();
    return record;
  }

  note(learner: string, run: LearnerRun): void {
    this.#learners[learner] = run;
    const text = JSON.stringify({ schemaVersion: 1, learners: this.#learners } satisfies z.input<typeof LastRun>);
    this.#written = this.#written.then(() => writeState(fileOf(this.#paths), text));
    // Told by `written`.
    this.#written.catch(() => {});
  }

  /** Resolves when all that was noted is on disk. */
  written(): Promise<void> {
    return this.#written;
  }
}
