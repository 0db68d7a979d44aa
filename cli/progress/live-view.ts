import { duration } from "../terminal.ts";
import type { LearnerRow, OpenStep, RunView } from "./model.ts";

/** A line of the live display, and how it is to look. */
export interface LiveLine {
  readonly text: string;
  readonly style: "green" | "red" | "dim" | "bold" | "none";
}

export interface Terminal {
  readonly columns: number;
  readonly rows: number;
}

const marks = { waits: "·", works: "▸", done: "✓", failed: "✗" } as const;
const styles = { waits: "dim", works: "none", done: "green", failed: "red" } as const;
/** If not all fit, learners who can still change come first. */
const urgency = { failed: 0, works: 1, waits: 2, done: 3 } as const;

/**
 * A run as lines for a terminal: one per learner, what the cohort waits for, and a last line that counts. Every line fits
 * the width, all of them the height; learners that do not fit are counted in a line of their own.
 */
export function liveLines(view: RunView, { columns, rows }: Terminal): LiveLine[] {
  // A row stays free for the cursor.
  const room = Math.max(1, rows - 1 - 1 - Math.min(1, view.cohort.length));
  const fits = view.rows.length <= room;
  const chosen = fits ? view.rows : [...view.rows].sort((a, b) => urgency[a.state] - urgency[b.state]).slice(0, room - 1);
  const shown = fits ? chosen : view.rows.filter((row) => chosen.includes(row));
  // What a learner does matters more than the end of a long name.
  const width = Math.min(Math.max(6, ...shown.map(({ learner }) => learner.length)), Math.max(6, Math.floor(columns / 3)));
  const lines: LiveLine[] = shown.map((row) => ({
    text: `${marks[row.state]} ${clip(row.learner, width).padEnd(width)}  ${whatOf(row, view.doneWord)}`,
    style: styles[row.state],
  }));
  if (!fits)
    lines.push({
      text: `  and ${counted(
        view.rows.filter((row) => !shown.includes(row)),
        view.doneWord,
      )}`,
      style: "dim",
    });
  const cohort = view.cohort[0];
  if (cohort !== undefined) lines.push({ text: `▸ ${"cohort".padEnd(width)}  ${stepText(cohort)}`, style: "none" });
  lines.push({ text: countLine(view), style: "bold" });
  return lines.slice(-Math.max(1, rows - 1)).map(({ text, style }) => ({ text: clip(text, columns), style }));
}

/** `2 of 20 up, 1 failed; 45.0 s so far, about 2 min left`. */
export function countLine({ rows, done, failed, doneWord, seconds, secondsLeft }: RunView): string {
  const left = secondsLeft === undefined ? "" : `, about ${about(secondsLeft)} left`;
  return `${done} of ${rows.length} ${doneWord}${failed > 0 ? `, ${failed} failed` : ""}; ${duration(seconds * 1000)} so far${left}`;
}

/** An estimate, no more precise than it deserves: `40 s`, `2 min`. */
export function about(seconds: number): string {
  if (seconds < 10) return "10 s";
  return seconds < 90 ? `${Math.ceil(seconds / 10) * 10} s` : `${Math.ceil(seconds / 60)} min`;
}

export function stepText({ title, seconds }: Pick<OpenStep, "title" | "seconds">): string {
  return seconds < 1 ? title : `${title}, ${Math.floor(seconds)} s`;
}

function whatOf({ state, open, steps, seconds, failedAt }: LearnerRow, doneWord: string): string {
  const took = seconds === undefined ? "" : ` after ${duration(seconds * 1000)}`;
  if (state === "done") return `${doneWord}${took}`;
  if (state === "failed") return failedAt === undefined ? `failed${took}` : `${failedAt} failed${took}`;
  const [longest, ...others] = open;
  if (longest === undefined) return state === "waits" ? "waits" : `${steps.done} of ${steps.of} steps`;
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  return `${steps.done}/${steps.of} ${stepText(longest)}${more}`;
}

function counted(rows: readonly LearnerRow[], doneWord: string): string {
  const words = { works: "under way", waits: "waiting", done: doneWord, failed: "failed" } as const;
  const counts = (Object.keys(words) as (keyof typeof words)[]).flatMap((state) => {
    const count = rows.filter((row) => row.state === state).length;
    return count === 0 ? [] : [`${count} ${words[state]}`];
  });
  return `${rows.length} more: ${counts.join(", ")}`;
}

function clip(text: string, columns: number): string {
  return text.length <= columns ? text : columns <= 1 ? text.slice(0, columns) : `${text.slice(0, columns - 1)}…`;
}
