import { styleText } from "node:util";
import type { Isolation } from "../shared/outputs.ts";
import { printable } from "../shared/printable.ts";
import type { PromotionState } from "./bundle/schema.ts";
import type { CheckReport, CheckResult } from "./types.ts";
import type { LookedAtPromotion } from "./verify.ts";
import { verdict } from "./verdict.ts";

/** The reports of one learner. */
export interface LearnerReports {
  readonly id: string;
  readonly name: string;
  readonly reports: readonly CheckReport[];
  /** How the lab is kept apart, where that is told. */
  readonly isolation?: Isolation;
  /** In a sentence, where it should be in a room and is not. */
  readonly noRoom?: string | undefined;
  /** What has become of the newest promotion; undefined where that is not asked. */
  readonly promotion?: LookedAtPromotion;
  /** Present where the lab is paused, so that nothing was looked at: what brings it back. */
  readonly paused?: string | undefined;
}

type Status = CheckResult["status"];

const marks = { pass: "✓", fail: "✗", error: "?" } as const;
const colours = { pass: "green", fail: "red", error: "yellow" } as const;

/** The reports as text for a terminal, ending with a line break. The caller decides whether it may have colour. */
export function renderReports(learners: readonly LearnerReports[], options: { readonly colour: boolean }): string {
  const paint = (status: Status, text: string) => (options.colour ? styleText(colours[status], text, { validateStream: false }) : text);
  return learners
    .map(({ id, name, reports, noRoom, promotion, paused }) => {
      if (paused !== undefined)
        return `${printable(id)} (${printable(name)}): ${paint("error", "paused")}\n  Nothing was looked at; \`${paused}\` brings the lab back.`;
      const status = verdict(reports);
      const heading = `${printable(id)} (${printable(name)}): ${paint(status, status)}`;
      const warning = noRoom === undefined ? [] : [`  ${paint("error", "!")} ${printable(noRoom)}`];
      const state = promotion === undefined ? [] : [promotionLine(promotion, paint)];
      return [heading, ...warning, ...state, ...reports.flatMap((report) => lines(report, paint))].join("\n");
    })
    .join("\n\n")
    .concat("\n");
}

/** What has become of the newest promotion, beside the checklist that belongs to it. */
function promotionLine(promotion: LookedAtPromotion, paint: (status: Status, text: string) => string): string {
  if (promotion.status === "error")
    return `  ${paint("error", marks.error)} What has become of the promotion could not be seen: ${printable(promotion.reason)}`;
  return `  ${isAsItShouldBe(promotion.value) ? "•" : paint("fail", "!")} ${printable(promotion.value.says)}`;
}

const isAsItShouldBe = ({ state }: PromotionState) => state === "none" || state === "promoted" || state === "rolled-back";

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
    learners: Object.fromEntries(
      learners.map(({ id, name, reports, isolation, promotion, paused }) => [
        id,
        {
          name,
          verdict: verdict(reports),
          ...(paused !== undefined && { paused: true }),
          ...(isolation && { isolation }),
          ...(promotion && { promotion }),
          reports,
        },
      ]),
    ),
  };
}
