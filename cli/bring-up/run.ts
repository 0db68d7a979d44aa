import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { ExitCode } from "../../shared/errors.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import type { LearnerReports } from "../../verification/render.ts";
import type { Interrupt } from "../interrupt.ts";
import type { LastRunRecord } from "../last-run.ts";
import type { RunReporter } from "../progress/reporter.ts";
import type { StateSummary } from "../stack.ts";

export interface BringUpOptions {
  readonly command: "up" | "retry";
  /** Only these learners; the others' resources are left as they are. */
  readonly only?: readonly string[];
  /** Events for programs on standard output instead of results for people. */
  readonly json: boolean;
  /** Whether the engine is asked also where nothing has changed since it last agreed. */
  readonly engine?: boolean | undefined;
  /** How many resources the engine works on at once; its own choice where it is not given. */
  readonly parallel?: number | undefined;
  /** Seconds it takes by earlier measurements. */
  readonly expectedSeconds: number;
}

/** What the engine is to work on, by URN: everything without either. */
export type Scope =
  | { readonly target: string[]; readonly targetDependents: true }
  | { readonly exclude: string[]; readonly excludeDependents: true }
  | undefined;

/** What a bring-up is about, before it begins. */
export interface Task {
  readonly plan: CohortPlan;
  readonly paths: CohortPaths;
  readonly options: BringUpOptions;
  /** Everybody of the cohort file. */
  readonly roster: readonly string[];
  /** Whom the run is about. */
  readonly about: readonly string[];
}

/** One bring-up as it goes. What is not read-only is written by the one step that is named with it, and read by later ones. */
export interface Run extends Task {
  readonly reporter: RunReporter;
  readonly interrupt: Interrupt;
  /** Cohort file and program as they were when the engine was, or was not, asked: `recogniseUnchanged`. */
  asked?: string;
  /** Whether the engine has nothing to do, so that its steps are passed over: `recogniseUnchanged`. */
  isUnchanged: boolean;
  /** `openCohort`. */
  stack?: Stack;
  /** Learners who stay as they are, since nothing of them answers: `passOverPaused`. */
  paused: readonly string[];
  /** What Pulumi's state knew before the run changed anything: `readWhatIs`. */
  state?: StateSummary;
  /** `chooseScope`. */
  scope?: Scope;
  /** `beginRecord`. */
  record?: LastRunRecord;
  /** What came of looking for what those who left the cohort file had: `removeLeavers`. */
  left: ExitCode;
  /** What the evidence of who came up says: `prove`. */
  reports: readonly LearnerReports[];
  /** `conclude`. */
  exitCode?: ExitCode;
}

/** One job of a bring-up. Throws where the run can't go on. */
export type Step = (run: Run) => Promise<void>;

/** A run before its first step. */
export function newRun(task: Task, reporter: RunReporter, interrupt: Interrupt): Run {
  return { ...task, reporter, interrupt, isUnchanged: false, paused: [], left: ExitCode.ok, reports: [] };
}

/** What an earlier step has written. That it has not is a defect in the order of the steps. */
export function written<K extends "stack" | "state" | "exitCode">(run: Run, field: K): NonNullable<Run[K]> {
  const value = run[field];
  if (value === undefined) throw new Error(`no step of the run has written \`${field}\` yet`);
  return value as NonNullable<Run[K]>;
}
