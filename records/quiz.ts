import { join } from "node:path";
import { z } from "zod";
import { QuizAnswers, QuizResult } from "../lab-templates/quiz.ts";
import { LabError } from "../shared/errors.ts";
import { locked } from "../shared/locked.ts";
import { cohortPaths } from "../shared/paths.ts";
import { makePrivateFolder, readIfExists } from "../shared/private-files.ts";
import { readState, writeState } from "../shared/state-file.ts";

const Attempt = z.object({ time: z.iso.datetime(), answers: QuizAnswers, result: QuizResult });
/** One time that a learner took the quiz. */
export type Attempt = z.output<typeof Attempt>;

const AttemptsFile = z.object({ schemaVersion: z.literal(1), attempts: z.array(Attempt) });

const folderOf = (cohort: string, learner: string) => join(cohortPaths(cohort).learner(learner).root, "quiz");
const fileIn = (folder: string) => join(folder, "attempts.json");
/** The file that changes when a learner takes the quiz. */
export const quizAttemptsFile = (cohort: string, learner: string): string => fileIn(folderOf(cohort, learner));

/** A learner's attempts, oldest first. Throws LabError `attempts-unreadable` for a file that is none of ours. */
export async function readAttempts(cohort: string, learner: string): Promise<Attempt[]> {
  return readFrom(fileIn(folderOf(cohort, learner)));
}

/** Adds an attempt to a learner's, also while another process does. The file is the instructor's alone. */
export async function recordAttempt(cohort: string, learner: string, attempt: Attempt): Promise<void> {
  const file = fileIn(await makePrivateFolder(folderOf(cohort, learner)));
  await locked(file, async () => {
    const attempts = [...(await readFrom(file)), attempt];
    await writeState(file, JSON.stringify({ schemaVersion: 1, attempts } satisfies z.input<typeof AttemptsFile>, null, 2));
  });
}

async function readFrom(file: string): Promise<Attempt[]> {
  const found = await readState(file, AttemptsFile, { orElse: undefined });
  if (found !== undefined) return found.attempts;
  const text = await readIfExists(file);
  return text === undefined ? [] : parseAttempts(text, file);
}

/** The attempts in the text of a file, or one that was archived. Throws LabError for text that is none of ours. */
export function parseAttempts(text: string, file: string): Attempt[] {
  try {
    return AttemptsFile.parse(JSON.parse(text)).attempts;
  } catch (error) {
    throw new LabError(
      "attempts-unreadable",
      `${file} does not hold quiz attempts in this version's form (schemaVersion 1). Move it away with \`mv\` and run the command again.`,
      {
        cause: error,
      },
    );
  }
}
