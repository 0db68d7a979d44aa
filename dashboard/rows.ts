import type { LabTemplate } from "../lab-templates/types.ts";
import { runningOf, type DrillRun } from "../records/drills.ts";
import { recordOf, type ExerciseRecord } from "../records/exercises.ts";
import type { PromotionState } from "../verification/bundle/schema.ts";
import type { JournalEntry } from "../verification/journal.ts";
import type { CheckResult } from "../verification/types.ts";
import type { LearnerFacts } from "./facts.ts";

/*
 * What a learner's facts mean for an instructor who looks at fifty of them. Pure.
 */

export type Status = CheckResult["status"] | "open";

export interface Progress {
  readonly done: number;
  readonly of: number;
}

export interface Row {
  /** One for each item of the template's checklist, in its order; `open` before the first look. */
  readonly checklist: readonly { readonly title: string; readonly status: Status }[];
  readonly exercises: Progress;
  readonly drills: Progress & { readonly running?: string };
  /** The best attempt, in per cent. */
  readonly quiz?: number;
  readonly activity?: Moment;
  /** Who needs help. */
  readonly stuck?: Moment;
  readonly waiting?: Waiting;
  readonly promotion?: PromotionState;
  readonly processes: { readonly running: number; readonly of: number; readonly state: "running" | "paused" | "restarting" | "none" };
}

export interface Waiting {
  /** ISO 8601 */
  readonly until: string;
  readonly what: string;
}

/** Something at a time (ISO 8601), in words. */
export interface Moment {
  readonly at: string;
  readonly what: string;
}

export function rowOf(facts: LearnerFacts, template: Pick<LabTemplate, "evidence" | "exercises" | "drills">, now = Date.now()): Row {
  const solved = new Set(facts.drills.filter(isSolvedByLearner).map(({ drill }) => drill));
  const running = runningOf(facts.drills)?.drill;
  const activity = lastActivity(facts);
  const stuck = stuckSince(facts, now);
  const waiting = waitingFor(facts, now);
  const promotion = facts.checklist?.promotion;
  return {
    checklist: template.evidence.map(({ id, title }) => ({
      title,
      status: facts.checklist?.reports.find((report) => report.id === id)?.result.status ?? "open",
    })),
    exercises: {
      done: template.exercises.filter(({ id }) => isPassed(recordOf(facts.exercises, id))).length,
      of: template.exercises.length,
    },
    drills: { done: solved.size, of: template.drills.length, ...(running !== undefined && { running }) },
    ...(facts.attempts.length > 0 && { quiz: Math.max(...facts.attempts.map(({ result }) => result.percentage)) }),
    ...(activity && { activity }),
    ...(stuck && { stuck }),
    ...(waiting && { waiting }),
    ...(promotion && { promotion }),
    processes: processesOf(facts),
  };
}

/** The first pass counts: what was shown once is not taken back by what happened in the lab later. */
export const isPassed = ({ checks }: ExerciseRecord) => checks.some(({ status }) => status === "pass");

/** What was solved after the reference solver ran is not the learner's work. */
export const isSolvedByLearner = ({ solvedAt, solverAt }: DrillRun) =>
  solvedAt !== undefined && (solverAt === undefined || time(solvedAt) < time(solverAt));

/** The newest thing that the pipeline noted, by the server's clock. */
export function lastActivity({ branch }: LearnerFacts): Moment | undefined {
  return journalOf(branch).map(momentOf).at(-1);
}

/** Red for less than this is work, not being stuck. */
export const stuckAfterMs = 10 * 60_000;

/**
 * The first of what is red now, for longer than `stuckAfterMs`, with no way forward but to do something: a build or promotion
 * that failed and nothing was brought after it, a checklist with a failure, an exercise whose checks failed one after the other, a
 * drill that runs. Where there was something to wait for, it counts from the end of the wait. Undefined where nothing is.
 */
export function stuckSince(facts: LearnerFacts, now = Date.now()): Moment | undefined {
  const found = [pipelineFailure(facts), redChecklist(facts), ...Object.entries(facts.exercises).map(failingExercise), runningDrill(facts)];
  // Who has rolled back is at work: what is to come of it shows when the rollback holds.
  const held = Math.max(0, ...[facts.checklist?.promotion?.hold].flatMap((hold) => (hold === undefined ? [] : time(hold.until))));
  return found
    .flatMap((one) =>
      one === undefined ? [] : [one.waits ? { at: latest(one.at, held), what: one.what } : { at: one.at, what: one.what }],
    )
    .filter(({ at }) => now - time(at) >= stuckAfterMs)
    .toSorted((one, other) => time(one.at) - time(other.at))[0];
}

/** What a learner can only wait for, and until when; undefined where there is nothing. */
export function waitingFor({ checklist, exercises, drills }: LearnerFacts, now = Date.now()): Waiting | undefined {
  const { environment, hold, applied } = checklist?.promotion ?? {};
  if (hold?.state === "waiting" && applied && time(hold.until) > now)
    return { until: hold.until, what: `rollback of ${environment} is to hold` };
  const running = runningOf(drills);
  const told = [
    ...Object.entries(exercises).map(([id, { checks }]) => ({ until: checks.at(-1)?.waitUntil, what: `exercise ${id}` })),
    { until: running?.checks.at(-1)?.waitUntil, what: `drill ${running?.drill}` },
  ];
  return told.flatMap(({ until, what }) => (until !== undefined && time(until) > now ? [{ until, what }] : []))[0];
}

/** Something wrong; `waits`: a rollback on its way may put it right. */
type Wrong = Moment & { readonly waits: boolean };

function pipelineFailure({ branch }: LearnerFacts): Wrong | undefined {
  const journal = journalOf(branch);
  const last = journal.findLastIndex(({ event }) => event === "built" || event === "promoted" || event === "carried-out");
  const failure = journal.slice(last + 1).find(({ event }) => event === "build-failed" || event === "promotion-failed");
  return failure && { ...momentOf(failure), waits: false };
}

function redChecklist({ checklist }: LearnerFacts): Wrong | undefined {
  // Who has promoted nothing yet has not begun.
  if (checklist?.redSince === undefined || checklist.promotion?.state === "none") return undefined;
  const items = checklist.reports.filter(({ result }) => result.status === "fail").map(({ title }) => title);
  return { at: checklist.redSince, what: `checklist: ${items.join(", ")}`, waits: false };
}

function failingExercise([id, { checks }]: readonly [string, ExerciseRecord]): Wrong | undefined {
  if (checks.some(({ status }) => status === "pass")) return undefined;
  const first = checks.find(({ status }) => status === "fail");
  return first && { at: latest(first.time, timeOf(checks.at(-1)?.waitUntil)), what: `exercise ${id} not passed`, waits: true };
}

function runningDrill({ drills }: LearnerFacts): Wrong | undefined {
  const drill = runningOf(drills);
  if (drill === undefined || drill.solvedAt !== undefined) return undefined;
  return { at: latest(drill.startedAt, timeOf(drill.checks.at(-1)?.waitUntil)), what: `drill ${drill.drill} runs`, waits: true };
}

const timeOf = (at: string | undefined) => (at === undefined ? 0 : time(at));
const latest = (at: string, other: number) => (other > time(at) ? new Date(other).toISOString() : at);

function processesOf({ processes }: LearnerFacts): Row["processes"] {
  const running = processes.filter(({ state }) => state === "running").length;
  const state =
    processes.length === 0
      ? "none"
      : processes.some((process) => process.state === "restarting")
        ? "restarting"
        : running < processes.length
          ? "paused"
          : "running";
  return { running, of: processes.length, state };
}

/** Oldest first. */
export function journalOf(branch: LearnerFacts["branch"]): (JournalEntry & { readonly commit: string })[] {
  const entries = (branch?.commits ?? []).flatMap(({ id, journal }) => journal.map((entry) => ({ ...entry, commit: id })));
  return entries.toSorted((one, other) => time(one.at) - time(other.at));
}

export function momentOf(entry: JournalEntry): Moment {
  return { at: entry.at, what: saying(entry) };
}

function saying(entry: JournalEntry): string {
  switch (entry.event) {
    case "received":
      return `push by ${entry.by}`;
    case "built":
      return `built ${entry.version}`;
    case "build-failed":
      return `build of ${entry.version} failed`;
    case "promoted":
      return `tagged for ${entry.environment}`;
    case "promotion-failed":
      return `promotion to ${entry.environment} failed`;
    case "carried-out":
      return `promoted to ${entry.environment}`;
    case "held":
      return `proposal for ${entry.environment} held`;
  }
}

const time = (at: string) => Date.parse(at);

/** How long it still takes, in seconds up to two minutes: `25 s`, `3 min`. */
export function howSoon(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return seconds < 120 ? `${seconds} s` : howLong(milliseconds);
}

/** How long, in the largest unit that says it: `<1 min`, `4 min`, `2 h`, `3 d`. */
export function howLong(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 1) return "<1 min";
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}
