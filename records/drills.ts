import { join } from "node:path";
import { z } from "zod";
import { Snapshot } from "../host/workbench/snapshot.ts";
import { LabError } from "../shared/errors.ts";
import { locked } from "../shared/locked.ts";
import { cohortPaths } from "../shared/paths.ts";
import { makePrivateFolder, readIfExists } from "../shared/private-files.ts";
import { readState, writeState } from "../shared/state-file.ts";

const Time = z.iso.datetime();

/** One time that a drill was started for a learner. */
const DrillRun = z.object({
  drill: z.string(),
  startedAt: Time,
  /** What a reset brings back. */
  snapshot: Snapshot,
  /** When each hint was asked for, in their order. */
  hints: z.array(Time),
  /** `waitUntil`: until when there was only to wait. */
  checks: z.array(z.object({ at: Time, status: z.enum(["pass", "fail", "error"]), says: z.string(), waitUntil: Time.optional() })),
  /** The first check that passed. */
  solvedAt: Time.optional(),
  /** When the reference solver was run; what was solved after that is not the learner's work. */
  solverAt: Time.optional(),
  /** Ends the run. */
  resetAt: Time.optional(),
});
export type DrillRun = z.output<typeof DrillRun>;

const RunsFile = z.object({ schemaVersion: z.literal(1), runs: z.array(DrillRun) });

const folderOf = (cohort: string, learner: string) => join(cohortPaths(cohort).learner(learner).root, "drills");
const fileIn = (folder: string) => join(folder, "runs.json");
/** The file that changes when a learner's runs do. */
export const drillRunsFile = (cohort: string, learner: string): string => fileIn(folderOf(cohort, learner));

/** A learner's runs, oldest first. Throws LabError `drill-runs-unreadable` for a file that is none of ours. */
export async function readRuns(cohort: string, learner: string): Promise<DrillRun[]> {
  return readFrom(fileIn(folderOf(cohort, learner)));
}

/** The run that was not reset yet; at most one. */
export function runningOf(runs: readonly DrillRun[]): DrillRun | undefined {
  return runs.find(({ resetAt }) => resetAt === undefined);
}

/** Changes a learner's runs, also while another process does; what `change` returns is written and returned. */
export async function changeRuns(
  cohort: string,
  learner: string,
  change: (runs: readonly DrillRun[]) => readonly DrillRun[],
): Promise<readonly DrillRun[]> {
  const file = fileIn(await makePrivateFolder(folderOf(cohort, learner)));
  return locked(file, async () => {
    const runs = change(await readFrom(file));
    await writeState(file, JSON.stringify({ schemaVersion: 1, runs: [...runs] } satisfies z.input<typeof RunsFile>, null, 2));
    return runs;
  });
}

/** Changes the run that was not reset yet. */
export async function changeRunning(cohort: string, learner: string, change: (run: DrillRun) => DrillRun): Promise<void> {
  await changeRuns(cohort, learner, (runs) => runs.map((run) => (run.resetAt === undefined ? change(run) : run)));
}

async function readFrom(file: string): Promise<DrillRun[]> {
  const found = await readState(file, RunsFile, { orElse: undefined });
  if (found !== undefined) return found.runs;
  const text = await readIfExists(file);
  return text === undefined ? [] : parseRuns(text, file);
}

/** The runs in the text of a file, or one that was archived. Throws LabError for text that is none of ours. */
export function parseRuns(text: string, file: string): DrillRun[] {
  try {
    return RunsFile.parse(JSON.parse(text)).runs;
  } catch (error) {
    throw new LabError(
      "drill-runs-unreadable",
      `${file} does not hold drill runs in this version's form (schemaVersion 1). Move it away with \`mv\` and run the command again.`,
      { cause: error },
    );
  }
}
