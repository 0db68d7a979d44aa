import { resetLearner } from "../reset/reset.ts";
import { note, print } from "../terminal.ts";
import { cohortOption } from "../which-cohort.ts";

export interface ResetOptions {
  readonly cohort: string;
  /** New folder for the backup. */
  readonly out?: string | undefined;
}

/** Gives a learner a fresh lab. Returns the exit code of `up`. */
export async function reset(id: string, options: ResetOptions): Promise<number> {
  const { backup, exitCode } = await resetLearner(id, options);
  print(backup);
  note(`Credentials are new: \`./lab handout ${id}${cohortOption(options.cohort)}\` writes the handout anew.`);
  return exitCode;
}
