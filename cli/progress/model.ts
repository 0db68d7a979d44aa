import { remainingSeconds, type StepSeconds } from "./estimate.ts";
import type { Action, ProgressFact } from "./events.ts";
import { phases } from "./steps.ts";

export interface OpenStep {
  readonly learner: string | null;
  readonly step: string;
  readonly title: string;
  readonly action: Action;
  readonly seconds: number;
}

type Open = Map<string, { readonly title: string; readonly action: Action; readonly since: number }>;

export interface LearnerRow {
  readonly learner: string;
  readonly state: "waits" | "works" | "done" | "failed";
  /** What is under way, longest first. */
  readonly open: readonly OpenStep[];
  /** Steps that are behind, of those a learner has. */
  readonly steps: { readonly done: number; readonly of: number };
  /** From the start of the run until done or failed. */
  readonly seconds?: number;
  /** The step that failed. */
  readonly failedAt?: string;
}

export interface RunView {
  readonly rows: readonly LearnerRow[];
  /** What the whole cohort waits for. */
  readonly cohort: readonly OpenStep[];
  readonly done: number;
  readonly failed: number;
  /** The state of a learner who is done: `up` or `gone`. */
  readonly doneWord: string;
  readonly seconds: number;
  /** An estimate; undefined where all is done or nothing can be said. */
  readonly secondsLeft: number | undefined;
}

interface Learner {
  readonly open: Open;
  readonly ended: Set<string>;
  /** Found as they should be: no work of this run. */
  readonly unchanged: Set<string>;
  finished?: { readonly state: "done" | "failed"; readonly at: number };
  failedAt?: string;
}

export interface RunModelOptions {
  readonly learners: readonly string[];
  /** Typical seconds of a learner's steps, from earlier measurements; the keys are the steps a learner has. */
  readonly typical: StepSeconds;
  /** Seconds that the run takes in all, by earlier measurements. */
  readonly expectedSeconds: number;
  readonly doneWord: string;
  /** Milliseconds since the epoch, as all times here. */
  readonly startedAt: number;
}

/** The state of a run, by its events. Holds no clock and draws nothing: `view` tells the state at a time. */
export class RunModel {
  readonly #options: RunModelOptions;
  readonly #learners: Map<string, Learner>;
  readonly #cohort: Open = new Map();
  /** Seconds each step took in this run. */
  readonly #measured = new Map<string, number[]>();
  /** Seconds that went into tools, which say nothing of how long the labs take. */
  #toolSeconds = 0;

  constructor(options: RunModelOptions) {
    this.#options = options;
    this.#learners = new Map(options.learners.map((id) => [id, { open: new Map(), ended: new Set(), unchanged: new Set() }]));
  }

  apply(fact: ProgressFact, at: number): void {
    switch (fact.event) {
      case "step-started":
        this.#openSteps(fact.learner)?.set(fact.step, { title: fact.title, action: fact.action, since: at });
        return;
      case "step-done":
      case "step-failed":
        return this.#stepEnded(fact);
      case "learner-done":
        return this.#finish(fact.learner, { state: "done", at });
      case "learner-failed":
        return this.#finish(fact.learner, { state: "failed", at });
    }
  }

  /** A step of a learner was found as it should be. */
  unchanged(learner: string, step: string): void {
    this.#learners.get(learner)?.unchanged.add(step);
  }

  hasOpenSteps(learner: string): boolean {
    return (this.#learners.get(learner)?.open.size ?? 0) > 0;
  }

  hasFailedStep(learner: string): boolean {
    return this.#learners.get(learner)?.failedAt !== undefined;
  }

  /** Since when a step is under way; undefined where it is not. */
  openSince(learner: string | null, step: string): number | undefined {
    return this.#openSteps(learner)?.get(step)?.since;
  }

  view(now: number): RunView {
    const { startedAt, typical, expectedSeconds, doneWord } = this.#options;
    const rows = [...this.#learners].map(([id, learner]) => this.#row(id, learner, now));
    const count = (state: LearnerRow["state"]) => rows.filter((row) => row.state === state).length;
    const seconds = (now - startedAt) / 1000;
    const work = [...this.#learners.values()].map(({ open, ended, unchanged, finished }) => ({
      steps: Object.keys(typical).filter((step) => !unchanged.has(step)),
      done: finished === undefined ? ended : new Set(Object.keys(typical)),
      open: new Map([...open].map(([step, { since }]) => [step, (now - since) / 1000])),
    }));
    const installing = this.#cohort.has(phases.tools.step);
    const elapsedSeconds = seconds - this.#toolSeconds;
    const secondsLeft = installing
      ? undefined
      : remainingSeconds({ work, typical, measured: this.#measured, expectedSeconds, elapsedSeconds });
    return {
      rows,
      cohort: openSteps(null, this.#cohort, now),
      done: count("done"),
      failed: count("failed"),
      doneWord,
      seconds,
      secondsLeft,
    };
  }

  #row(id: string, learner: Learner, now: number): LearnerRow {
    const { open, ended, unchanged, finished, failedAt } = learner;
    const known = Object.keys(this.#options.typical);
    const state = finished?.state ?? (failedAt !== undefined ? "failed" : open.size > 0 || ended.size > 0 ? "works" : "waits");
    return {
      learner: id,
      state,
      open: openSteps(id, open, now),
      steps: { done: known.filter((step) => ended.has(step) || unchanged.has(step)).length, of: known.length },
      ...(finished && { seconds: (finished.at - this.#options.startedAt) / 1000 }),
      ...(failedAt !== undefined && { failedAt }),
    };
  }

  #stepEnded({ event, learner, step, title, seconds }: Extract<ProgressFact, { event: "step-done" | "step-failed" }>): void {
    this.#openSteps(learner)?.delete(step);
    if (step === phases.tools.step) this.#toolSeconds += seconds;
    const whose = learner === null ? undefined : this.#learners.get(learner);
    if (whose === undefined) return;
    whose.ended.add(step);
    if (event === "step-failed") whose.failedAt ??= title;
    else this.#measured.set(step, [...(this.#measured.get(step) ?? []), seconds]);
  }

  #finish(learner: string, finished: NonNullable<Learner["finished"]>): void {
    const whose = this.#learners.get(learner);
    if (whose !== undefined) whose.finished ??= finished;
  }

  /** Undefined for a learner whom this run does not know, such as one who has left the roster. */
  #openSteps(learner: string | null): Open | undefined {
    return learner === null ? this.#cohort : this.#learners.get(learner)?.open;
  }
}

function openSteps(learner: string | null, open: Open, now: number): OpenStep[] {
  return [...open]
    .map(([step, { title, action, since }]) => ({ learner, step, title, action, seconds: (now - since) / 1000 }))
    .sort((a, b) => b.seconds - a.seconds);
}
