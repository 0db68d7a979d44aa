import { styleText } from "node:util";
import { printable } from "../shared/printable.ts";
import type { CheckReport, CheckResult } from "./types.ts";
import { verdict } from "./verdict.ts";

/** The reports of one learner. */
export interface LearnerReports {
  readonly id: string;
  readonly name: string;
  readonly reports: readonly CheckReport[];
}

type Status = CheckResult["status"];

const marks = { pass: "✓", fail: "✗", error: "?" } as const;
const colours = { pass: "green", fail: "red", error: "yellow" } as const;

/** The reports as text for a terminal, ending with a line break. The caller decides whether it may have colour. */
export function renderReports(learners: readonly LearnerReports[], options: { readonly colour: boolean }): string {
  const paint = (status: Status, text: string) => (options.colour ? styleText(colours[status], text, { validateStream: false }) : text);
  return learners
    .map(({ id, name, reports }) => {
      const status = verdict(reports);
      const heading = `${printable(id)} (${printable(name)}): ${paint(status, status)}`;
      return [heading, ...reports.flatMap((report) => lines(report, paint))].join("\n");
    })
    .join("\n\n")
    .concat("\n");
}

function lines({ title, result }: CheckReport, paint: (status: Status, text: string) => string): string[] {
  const heading = `  ${paint(result.status, marks[result.status])} ${title}`;
  if (result.status === "error") return [`${heading}: could not look`, detail("reason", result.reason)];
  const label = result.basis === "simulated" ? `${heading} (simulated pods)` : heading;
  if (result.status === "pass") return [`${label}: ${printable(result.observed)}`];
  return [label, detail("expected", result.expected), detail("observed", result.observed), detail("hint", result.hint)];
}

function detail(name: string, text: string): string {
  const [first = "", ...more] = text.split("\n").map(printable);
  return [`      ${name.padEnd(8)}  ${first}`, ...more.map((line) => `${" ".repeat(16)}${line}`)].join("\n");
}

/** The same for programs. */
export function toJson(learners: readonly LearnerReports[]) {
  return {
    schemaVersion: 1,
    learners: Object.fromEntries(learners.map(({ id, name, reports }) => [id, { name, verdict: verdict(reports), reports }])),
  };
}
