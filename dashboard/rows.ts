import type { LabTemplate } from "../lab-templates/types.ts";
import { runningOf, type DrillRun } from "../records/drills.ts";
import { recordOf, type ExerciseRecord } from "../records/exercises.ts";
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
  readonly stuck?: Moment;
  readonly processes: { readonly running: number; readonly of: number; readonly state: "running" | "paused" | "restarting" | "none" };
}

/** Something at a time (ISO 8601), in words. */
export interface Moment {
  readonly at: string;
  readonly what: string;
}

export function rowOf(facts: LearnerFacts, template: Pick<LabTemplate, "evidence" | "exercises" | "drills">): Row {
  const solved = new Set(facts.drills.filter(isSolvedByLearner).map(({ drill }) => drill));
  const running = runningOf(facts.drills)?.drill;
  const activity = lastActivity(facts);
  const stuck = stuckSince(facts);
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

/**
 * The first of what is wrong now and was not put right since: a build or promotion that failed and nothing was brought
 * after it, an exercise whose checks failed one after the other, a drill that runs. Undefined where nothing is.
 */
export function stuckSince(facts: LearnerFacts): Moment | undefined {
  const found = [pipelineFailure(facts), ...Object.entries(facts.exercises).map(failingExercise), runningDrill(facts)];
  return found.filter((moment) => moment !== undefined).toSorted((one, other) => time(one.at) - time(other.at))[0];
}

function pipelineFailure({ branch }: LearnerFacts): Moment | undefined {
  const journal = journalOf(branch);
  const last = journal.findLastIndex(({ event }) => event === "built" || event === "promoted" || event === "carried-out");
  const failure = journal.slice(last + 1).find(({ event }) => event === "build-failed" || event === "promotion-failed");
  return failure && momentOf(failure);
}

function failingExercise([id, { checks }]: readonly [string, ExerciseRecord]): Moment | undefined {
  if (checks.some(({ status }) => status === "pass")) return undefined;
  const first = checks.find(({ status }) => status === "fail");
  return first && { at: first.time, what: `exercise ${id} not passed` };
}

function runningDrill({ drills }: LearnerFacts): Moment | undefined {
  const drill = runningOf(drills);
  return drill && drill.solvedAt === undefined ? { at: drill.startedAt, what: `drill ${drill.drill} runs` } : undefined;
}

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

/** How long, in the largest unit that says it: `<1 min`, `4 min`, `2 h`, `3 d`. */
export function howLong(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 1) return "<1 min";
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}
