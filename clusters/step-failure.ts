import { LabError } from "../shared/errors.ts";

/** Whose cluster, and what was being done with it, for the message of a failure. */
export interface Doing {
  readonly learner: string;
  /** As in "could not <step>". */
  readonly step: string;
}

/** What went wrong as one paragraph: who, at which step, why (the end of a sentence), and what helps (the beginning of one). */
export function stepFailure(
  { learner, step }: Doing,
  { code, what, remedy, cause }: { readonly code: string; readonly what: string; readonly remedy: string; readonly cause?: unknown },
): LabError {
  return new LabError(
    code,
    `Learner ${learner}: could not ${step}: ${what}. ${remedy}, then run \`./lab up\` again; other learners are not affected.`,
    { cause },
  );
}

const longestSaid = 400;

/** The sentence of a program's output that tells most: the last line that begins with "Error:", else the last one that is no noise; without a stop. */
export function saidLast(output: string, noise: RegExp): string {
  const lines = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !noise.test(line));
  const text = lines.findLast((line) => /^error:/i.test(line))?.replace(/^error: */i, "") ?? lines.at(-1) ?? "";
  return (text.length > longestSaid ? `${text.slice(0, longestSaid - 3)}...` : text).replace(/\.$/, "");
}
