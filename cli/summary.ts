import { printable } from "../verification/render.ts";
import type { LearnerOutcome } from "./progress/events.ts";
import { alignColumns } from "./table.ts";

/** Characters of a cause that the table shows; all of it is told beside the table. */
const causeWidth = 80;

/** What came of each learner in a run, as a table; ends with a line break. */
export function renderSummary(outcomes: readonly LearnerOutcome[]): string {
  const rows = outcomes.map(({ learner, result, seconds, evidence, cause }) =>
    [learner, result, seconds === null ? "-" : seconds.toFixed(1), evidence === null ? "-" : `${evidence.passed}/${evidence.of}`, cause === null ? "" : inShort(cause)].map(printable),
  );
  return alignColumns([["learner", "result", "seconds", "evidence", "cause"], ...rows]);
}

function inShort(cause: string): string {
  const line = printable(cause);
  return line.length <= causeWidth ? line : `${line.slice(0, causeWidth - 1)}…`;
}
