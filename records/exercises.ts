import { join } from "node:path";
import { z } from "zod";
import { LabError } from "../shared/errors.ts";
import { locked } from "../shared/locked.ts";
import { cohortPaths } from "../shared/paths.ts";
import { makePrivateFolder, readIfExists } from "../shared/private-files.ts";
import { readState, writeState } from "../shared/state-file.ts";

const Time = z.iso.datetime();

const ExerciseRecord = z.object({
  /** When each hint was taken, in the order of the hints. */
  hints: z.array(Time).default([]),
  /** Oldest first. `says` is what was observed, or why nothing could be; `waitUntil` until when there was only to wait. */
  checks: z
    .array(z.object({ time: Time, status: z.enum(["pass", "fail", "error"]), says: z.string(), waitUntil: Time.optional() }))
    .default([]),
  /** When the reference solver did it in the learner's place. */
  solved: z.array(Time).default([]),
});
/** What happened with one exercise of one learner. */
export type ExerciseRecord = z.output<typeof ExerciseRecord>;

const RecordsFile = z.object({ schemaVersion: z.literal(1), exercises: z.record(z.string(), ExerciseRecord) });

const folderOf = (cohort: string, learner: string) => join(cohortPaths(cohort).learner(learner).root, "exercises");
const fileIn = (folder: string) => join(folder, "records.json");
/** The file that changes when a learner's records do. */
export const exerciseRecordsFile = (cohort: string, learner: string): string => fileIn(folderOf(cohort, learner));

/** A learner's records by exercise. Throws LabError `records-unreadable` for a file that is none of ours. */
export async function readRecords(cohort: string, learner: string): Promise<Record<string, ExerciseRecord>> {
  return readFrom(fileIn(folderOf(cohort, learner)));
}

/** Changes one exercise's record, also while another process changes one. The file is the instructor's alone. */
export async function changeRecord(
  cohort: string,
  learner: string,
  exercise: string,
  change: (record: ExerciseRecord) => ExerciseRecord,
): Promise<ExerciseRecord> {
  const file = fileIn(await makePrivateFolder(folderOf(cohort, learner)));
  return locked(file, async () => {
    const exercises = await readFrom(file);
    const changed = change(recordOf(exercises, exercise));
    const content: z.input<typeof RecordsFile> = { schemaVersion: 1, exercises: { ...exercises, [exercise]: changed } };
    await writeState(file, JSON.stringify(content, null, 2));
    return changed;
  });
}

export function recordOf(records: Readonly<Record<string, ExerciseRecord>>, exercise: string): ExerciseRecord {
  return (Object.hasOwn(records, exercise) ? records[exercise] : undefined) ?? { hints: [], checks: [], solved: [] };
}

async function readFrom(file: string): Promise<Record<string, ExerciseRecord>> {
  const found = await readState(file, RecordsFile, { orElse: undefined });
  if (found !== undefined) return found.exercises;
  const text = await readIfExists(file);
  return text === undefined ? {} : parseRecords(text, file);
}

/** The records in the text of a file, or one that was archived. Throws LabError for text that is none of ours. */
export function parseRecords(text: string, file: string): Record<string, ExerciseRecord> {
  try {
    return RecordsFile.parse(JSON.parse(text)).exercises;
  } catch (error) {
    throw new LabError(
      "records-unreadable",
      `${file} does not hold exercise records in this version's form (schemaVersion 1). Move it away with \`mv\` and run the command again.`,
      {
        cause: error,
      },
    );
  }
}
