import { stringify } from "csv-stringify/sync";
import { z } from "zod";
import { printable } from "../../shared/printable.ts";
import { stateNames } from "../../verification/bundle/promotion-words.ts";
import { promotionStates } from "../../verification/bundle/schema.ts";
import type { LookedAtPromotion } from "../../verification/verify.ts";
import { alignColumns } from "../table.ts";

const Time = z.iso.datetime();
const Status = z.enum(["pass", "fail", "error"]);

const ExerciseResult = z.strictObject({
  id: z.string(),
  checks: z.int(),
  /** The first check that passed. Nothing that happens in the lab later takes it back. */
  firstPass: Time.optional(),
  hints: z.int(),
  /** Whether the reference solver did it in the learner's place before the first pass. */
  solver: z.boolean(),
});

const DrillResult = z.strictObject({
  id: z.string(),
  started: z.int(),
  /** Times that the learner solved it, without those after the reference solver had run. */
  solved: z.int(),
  /** The shortest of these, from the start to the first check that passed. */
  seconds: z.int().optional(),
  hints: z.int(),
});

const PromotionResult = z.strictObject({
  /** `paused`: not looked at, since the lab is stopped; `not-seen`: could not be looked at. */
  state: z.enum([...promotionStates, "paused", "not-seen"]),
  since: Time.optional(),
  /** Until when a rollback has to wait. */
  hold: z.enum(["waiting", "held"]).optional(),
  holdsAt: Time.optional(),
  says: z.string(),
});
type PromotionResult = z.output<typeof PromotionResult>;

const LearnerResult = z.strictObject({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  evidence: z.strictObject({
    verdict: Status,
    /** Where the newest promotion stands; results of version 1 do not tell. */
    promotion: PromotionResult.optional(),
    items: z.array(z.strictObject({ id: z.string(), title: z.string(), status: Status, observedAt: Time })),
  }),
  exercises: z.array(ExerciseResult),
  drills: z.array(DrillResult),
  quiz: z.strictObject({
    attempts: z.int(),
    best: z.strictObject({ time: Time, points: z.number(), max: z.number(), percentage: z.int() }).optional(),
  }),
  /** The first and the last thing recorded of the learner: a check, a hint, a drill, an attempt. */
  firstActivity: Time.optional(),
  lastActivity: Time.optional(),
});
export type LearnerResult = z.output<typeof LearnerResult>;

/** What a cohort's learners have done, as `./lab results --json` prints it and `results.json` in an archive keeps it. */
export const CohortResults = z.strictObject({
  /** 1 did not tell where the promotion stands. */
  schemaVersion: z.literal([1, 2]),
  cohort: z.string(),
  course: z.string(),
  template: z.string(),
  takenAt: Time,
  learners: z.array(LearnerResult),
});
export type CohortResults = z.output<typeof CohortResults>;

/** What was recorded of one learner, as the commands keep it. */
export interface LearnerRecords {
  readonly exercises: Readonly<
    Record<
      string,
      {
        readonly hints: readonly string[];
        readonly checks: readonly { readonly time: string; readonly status: string }[];
        readonly solved: readonly string[];
      }
    >
  >;
  readonly drills: readonly {
    readonly drill: string;
    readonly startedAt: string;
    readonly hints: readonly string[];
    readonly checks: readonly { readonly at: string }[];
    readonly solvedAt?: string | undefined;
    readonly solverAt?: string | undefined;
    readonly resetAt?: string | undefined;
  }[];
  readonly quiz: readonly {
    readonly time: string;
    readonly result: { readonly points: number; readonly max: number; readonly percentage: number };
  }[];
}

/** In short; without a look the lab is paused. */
export function promotionResult(look: LookedAtPromotion | undefined): PromotionResult {
  if (look === undefined) return { state: "paused", says: "the lab is paused, so nothing was looked at" };
  if (look.status === "error") return { state: "not-seen", says: look.reason };
  const { state, since, hold, says } = look.value;
  return { state, ...(since && { since }), ...(hold && { hold: hold.state, holdsAt: hold.until }), says };
}

function inWords({ state, hold }: PromotionResult): string {
  const name = state === "paused" ? "paused" : state === "not-seen" ? "not seen" : stateNames[state];
  return hold === undefined ? name : `${name}, ${hold}`;
}

/**
 * Sums up what was recorded of a learner.
 *
 * @param exercises ids of the template's exercises: those without a record count, too
 */
export function sumUp(
  exercises: readonly string[],
  records: LearnerRecords,
): Pick<LearnerResult, "exercises" | "drills" | "quiz" | "firstActivity" | "lastActivity"> {
  const best = records.quiz.reduce<LearnerRecords["quiz"][number] | undefined>(
    (one, other) => (one !== undefined && one.result.points >= other.result.points ? one : other),
    undefined,
  );
  const times = [
    ...Object.values(records.exercises).flatMap(({ hints, checks, solved }) => [...hints, ...checks.map(({ time }) => time), ...solved]),
    ...records.drills.flatMap(({ startedAt, hints, checks, resetAt }) => [
      startedAt,
      ...hints,
      ...checks.map(({ at }) => at),
      ...(resetAt === undefined ? [] : [resetAt]),
    ]),
    ...records.quiz.map(({ time }) => time),
  ].toSorted((one, other) => Date.parse(one) - Date.parse(other));
  return {
    exercises: exercises.map((id) => exerciseResult(id, records.exercises)),
    drills: drillResults(records.drills),
    quiz: {
      attempts: records.quiz.length,
      ...(best && { best: { time: best.time, points: best.result.points, max: best.result.max, percentage: best.result.percentage } }),
    },
    ...(times.length > 0 && { firstActivity: times[0], lastActivity: times.at(-1) }),
  };
}

function exerciseResult(id: string, records: LearnerRecords["exercises"]): z.output<typeof ExerciseResult> {
  const record = Object.hasOwn(records, id) ? records[id] : undefined;
  const firstPass = record?.checks.find(({ status }) => status === "pass")?.time;
  const solver = record?.solved.some((time) => firstPass === undefined || Date.parse(time) <= Date.parse(firstPass)) ?? false;
  return { id, checks: record?.checks.length ?? 0, ...(firstPass && { firstPass }), hints: record?.hints.length ?? 0, solver };
}

function drillResults(runs: LearnerRecords["drills"]): z.output<typeof DrillResult>[] {
  return [...Map.groupBy(runs, ({ drill }) => drill)].map(([id, ofDrill]) => {
    const seconds = ofDrill.flatMap(({ startedAt, solvedAt, solverAt }) =>
      solvedAt === undefined || (solverAt !== undefined && Date.parse(solverAt) <= Date.parse(solvedAt))
        ? []
        : [Math.round((Date.parse(solvedAt) - Date.parse(startedAt)) / 1000)],
    );
    return {
      id,
      started: ofDrill.length,
      solved: seconds.length,
      ...(seconds.length > 0 && { seconds: Math.min(...seconds) }),
      hints: ofDrill.reduce((sum, { hints }) => sum + hints.length, 0),
    };
  });
}

/**
 * A line per learner, as RFC 4180 says it. A cell that a spreadsheet would take for a formula begins with an apostrophe, also if
 * its locale divides the line at semicolons or tabs, and also after a quoted line break.
 */
export function renderCsv({ learners }: CohortResults): string {
  const items = unique(learners.flatMap(({ evidence }) => evidence.items.map(({ id }) => id)));
  const exercises = unique(learners.flatMap((learner) => learner.exercises.map(({ id }) => id)));
  const drills = unique(learners.flatMap((learner) => learner.drills.map(({ id }) => id)));
  const header = [
    ...["id", "name", "email", "evidence", "promotion", "promotion since"],
    ...items.map((id) => `evidence ${id}`),
    ...exercises.flatMap((id) => [`${id} first pass`, `${id} checks`, `${id} hints`, `${id} solver`]),
    ...drills.flatMap((id) => [`drill ${id} started`, `drill ${id} solved`, `drill ${id} seconds`]),
    ...["quiz attempts", "quiz best percentage", "first activity", "last activity"],
  ];
  const rows = learners.map((learner) => [
    ...[learner.id, learner.name, learner.email, learner.evidence.verdict],
    ...[learner.evidence.promotion && inWords(learner.evidence.promotion), learner.evidence.promotion?.since],
    ...items.map((id) => learner.evidence.items.find((item) => item.id === id)?.status),
    ...exercises.flatMap((id) => {
      const exercise = learner.exercises.find((one) => one.id === id);
      return [exercise?.firstPass, exercise?.checks, exercise?.hints, exercise && (exercise.solver ? "yes" : "no")];
    }),
    ...drills.flatMap((id) => {
      const drill = learner.drills.find((one) => one.id === id);
      return [drill?.started ?? 0, drill?.solved ?? 0, drill?.seconds];
    }),
    ...[learner.quiz.attempts, learner.quiz.best?.percentage, learner.firstActivity, learner.lastActivity],
  ]);
  const safe = rows.map((row) => row.map((cell) => (typeof cell === "string" ? cell.replace(innerFormula, "$1'") : cell)));
  return stringify([header, ...safe], { record_delimiter: "windows", escape_formulas: true });
}

/** Where a cell within the cell could begin with a formula. */
const innerFormula = /((?:[;|]|(?<!^)[\t\r\n])["'\s]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g;

/** A table for a terminal, a line per learner, without control characters of others' making. Ends with a line break. */
export function renderTable({ learners }: CohortResults): string {
  const rows = learners.map(({ id, name, evidence, exercises, drills, quiz, lastActivity }) => {
    const passed = exercises.filter(({ firstPass }) => firstPass !== undefined).length;
    const hints = exercises.reduce((sum, exercise) => sum + exercise.hints, 0);
    const [started, solved] = [drills.reduce((sum, drill) => sum + drill.started, 0), drills.reduce((sum, drill) => sum + drill.solved, 0)];
    return [
      id,
      name,
      evidence.promotion?.state === "paused"
        ? "paused"
        : `${evidence.verdict} (${evidence.items.filter(({ status }) => status === "pass").length} of ${evidence.items.length})`,
      evidence.promotion === undefined || evidence.promotion.state === "paused"
        ? "-"
        : [inWords(evidence.promotion), evidence.promotion.since].filter(Boolean).join(" "),
      `${passed} of ${exercises.length}${hints > 0 ? `, ${hints} ${hints === 1 ? "hint" : "hints"}` : ""}${exercises.some(({ solver }) => solver) ? ", solver" : ""}`,
      started === 0 ? "none" : `${solved} of ${started} solved`,
      quiz.best === undefined ? "no attempt" : `${quiz.best.percentage} % of ${quiz.attempts}`,
      lastActivity ?? "none",
    ].map(printable);
  });
  return alignColumns([["learner", "name", "evidence", "promotion", "exercises", "drills", "quiz (best)", "last activity"], ...rows]);
}

function unique(ids: readonly string[]): string[] {
  return [...new Set(ids)];
}
