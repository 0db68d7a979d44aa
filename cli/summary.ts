import { printable } from "../shared/printable.ts";
import type { LearnerOutcome } from "./progress/events.ts";
import { alignColumns } from "./table.ts";

/** Characters of a cause that the table shows; all of it is told beside the table. */
const causeWidth = 80;
const shortestCause = 20;

/**
 * Each learner's outcome of a run, as a table; ends with a line break.
 *
 * @param columns of the terminal that shows it: causes are cut to fit
 */
export function renderSummary(outcomes: readonly LearnerOutcome[], columns = Infinity): string {
  const heading = ["learner", "result", "seconds", "evidence"];
  const rows = outcomes.map(({ learner, result, seconds, evidence }) =>
    [learner, result, seconds === null ? "-" : seconds.toFixed(1), evidence === null ? "-" : `${evidence.passed}/${evidence.of}`].map(
      printable,
    ),
  );
  if (outcomes.every(({ cause }) => cause === null)) return alignColumns([heading, ...rows]);
  const before = (alignColumns([[...heading, ""], ...rows]).split("\n")[0] ?? "").length + 2;
  const width = Math.max(shortestCause, Math.min(causeWidth, columns - before));
  return alignColumns([[...heading, "cause"], ...rows.map((row, index) => [...row, inShort(outcomes[index]?.cause ?? "", width)])]);
}

function inShort(cause: string, width: number): string {
  const line = printable(cause);
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
