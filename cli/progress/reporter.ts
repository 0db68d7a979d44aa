import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { clusterRemedy } from "../../clusters/providers.ts";
import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import type { StepName } from "../../shared/step-name.ts";
import { formatStep, type Step } from "../../tools/progress.ts";
import type { LearnerReports } from "../../verification/render.ts";
import { verdict } from "../../verification/verdict.ts";
import type { Display } from "./displays.ts";
import { EngineReader, type StepChange } from "./engine-reader.ts";
import type { StepSeconds } from "./estimate.ts";
import { stamp, type LearnerOutcome, type ProgressFact, type RunCommand } from "./events.ts";
import { RunModel } from "./model.ts";
import { Outcomes } from "./outcomes.ts";
import { phases } from "./steps.ts";

/** Milliseconds without an event after which one tells what is awaited; a second under the five that are promised. */
const quietMs = 4000;
const tickMs = 250;
/** A lab's last step; one that is made anew was never handed over. */
const handOverStep = "flux-ready";

export interface RunReporterOptions {
  readonly command: RunCommand;
  readonly cohort: string;
  /** The learners that the run works on. */
  readonly learners: readonly string[];
  /** Other learners with resources in the cohort, such as those who have left the roster. */
  readonly others?: readonly string[];
  readonly typical: StepSeconds;
  readonly expectedSeconds: number;
  readonly display: Display;
  /** Told of every learner's end as soon as it is known. */
  readonly onLearner?: (outcome: LearnerOutcome) => void;
}

/** Takes what happens in a run, from the engine and from the commands, to a display, and never stays silent for long. */
export class RunReporter {
  /** Causes that concern the whole cohort, or nobody who is known. */
  readonly errors: string[] = [];
  /** What went wrong, by learner. */
  readonly failures = new Map<string, string[]>();
  /** Whose lab was handed over in this run, and had not been before. */
  readonly handedOver = new Set<string>();
  readonly startedAt = Date.now();
  readonly #options: RunReporterOptions;
  readonly #model: RunModel;
  readonly #outcomes: Outcomes;
  readonly #timer: NodeJS.Timeout;
  #reader: EngineReader;
  #lastEventAt = Date.now();

  constructor(options: RunReporterOptions) {
    const { learners, typical, expectedSeconds, command } = options;
    this.#options = options;
    this.#outcomes = new Outcomes(learners, options.onLearner);
    this.#reader = this.#newReader();
    this.#model = new RunModel({ learners, typical, expectedSeconds, doneWord: this.#removes ? "gone" : "up", startedAt: this.startedAt });
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.tell({ event: "run-started", command, cohort: options.cohort, learners: [...learners] });
  }

  /** What the engine did, by operation; nothing where it did not come to an end. */
  get changes(): Readonly<Record<string, number>> {
    return this.#reader.changes;
  }

  tell(fact: ProgressFact): void {
    const now = Date.now();
    this.#lastEventAt = now;
    this.#model.apply(fact, now);
    this.#options.display.show(stamp(fact, new Date(now)), this.#model.view(now));
  }

  /** Does something that the whole cohort waits for. */
  async phase<T>(name: StepName, work: () => Promise<T>): Promise<T> {
    this.begin(name);
    try {
      const result = await work();
      this.end(name);
      return result;
    } catch (error) {
      this.end(name, "step-failed");
      throw error;
    }
  }

  /** Installs tools; nothing is told where all are there. */
  async tools(install: (onProgress: (step: Step) => void) => Promise<void>): Promise<void> {
    let current: StepName | undefined;
    const next = (name: StepName | undefined, event: "step-done" | "step-failed" = "step-done") => {
      if (current?.title === name?.title) return;
      if (current !== undefined) this.end(current, event);
      current = name;
      if (current !== undefined) this.begin(current);
    };
    try {
      await install((step) => next({ step: phases.tools.step, title: formatStep(step, 0) }));
      next(undefined);
    } catch (error) {
      next(undefined, "step-failed");
      throw error;
    }
  }

  begin({ step, title }: StepName): void {
    this.tell({ event: "step-started", learner: null, step, title, action: "do" });
  }

  end({ step, title }: StepName, event: "step-done" | "step-failed" = "step-done"): void {
    const since = this.#model.openSince(null, step);
    if (since !== undefined) this.tell({ event, learner: null, step, title, action: "do", seconds: (Date.now() - since) / 1000 });
  }

  /** Has the engine do something and takes its events. Steps still under way at its end were not done. */
  async engine<T>(operation: (onEvent: (event: EngineEvent) => void) => Promise<T>): Promise<T> {
    this.#reader = this.#newReader();
    this.begin(phases.compare);
    try {
      return await operation((event) => {
        for (const change of this.#reader.read(event)) this.#take(change);
      });
    } finally {
      this.end(phases.compare);
      const { rows, cohort } = this.#model.view(Date.now());
      for (const step of [...cohort, ...rows.flatMap(({ open }) => open)]) this.tell({ event: "step-failed", ...step });
      for (const learner of this.failures.keys()) this.#fail(learner);
    }
  }

  /** Takes the engine's errors only, for an operation whose steps nobody needs to know. */
  readonly errorsOnly = (event: EngineEvent): void => {
    for (const change of this.#newReader().read(event)) if (change.kind === "cause") this.#cause(change.learner, change.cause);
  };

  get #removes(): boolean {
    return ["down", "reset"].includes(this.#options.command);
  }

  /** Each learner's outcome so far. */
  get outcomes(): readonly LearnerOutcome[] {
    return this.#outcomes.all;
  }

  /** Tells that a learner is done, unless something has been told of their end. */
  learnerDone(learner: string): void {
    const seconds = this.#seconds();
    if (this.#outcomes.settle(learner, { result: this.#removes ? "removed" : "up", seconds }))
      this.tell({ event: "learner-done", learner, seconds });
  }

  /** Tells that a learner has failed, unless something has been told of their end. */
  learnerFailed(learner: string, cause: string): void {
    const seconds = this.#seconds();
    if (this.#outcomes.settle(learner, { result: "failed", seconds, cause }))
      this.tell({ event: "learner-failed", learner, seconds, cause });
  }

  /** Tells that a learner who is up is paused, so that nothing of theirs can be looked at. */
  learnerPaused(learner: string): void {
    this.#outcomes.pause(learner);
  }

  /** Tells what the evidence of a learner says. */
  evidence({ id, reports, promotion }: Pick<LearnerReports, "id" | "reports" | "promotion">): void {
    const items = reports.map((report) => ({ id: report.id, status: report.result.status }));
    const evidence = { verdict: verdict(reports), passed: items.filter(({ status }) => status === "pass").length, of: items.length };
    this.#outcomes.prove(id, evidence);
    const state = promotion?.status === "observed" ? promotion.value : undefined;
    this.tell({
      event: "evidence",
      learner: id,
      ...evidence,
      items,
      ...(state && {
        promotion: { state: state.state, ...(state.since && { since: state.since }), ...(state.hold && { hold: state.hold.state }) },
      }),
    });
  }

  /** The last event of a run that could not go on. */
  failed(error: unknown): void {
    const expected = error instanceof LabError ? error : undefined;
    this.summary({
      result: expected?.code === "interrupted" ? "interrupted" : "failed",
      exitCode: expected?.exitCode ?? ExitCode.bug,
      cause: messageOf(error),
    });
  }

  /** The last event of a run, but for the receipt of a `down`. */
  summary(end: { readonly result: "succeeded" | "failed" | "interrupted"; readonly exitCode: number; readonly cause?: string }): void {
    const { command, cohort } = this.#options;
    this.tell({
      event: "summary",
      command,
      cohort,
      result: end.result,
      exitCode: end.exitCode,
      seconds: this.#seconds(),
      changes: this.changes,
      learners: [...this.outcomes],
      cause: end.cause ?? null,
    });
  }

  /** What went wrong, from the engine's own diagnostics where it gave any. */
  causes(error: unknown): string {
    const ofLearners = [...this.failures].map(([learner, causes]) => `${learner}: ${causes.join(" ")}`);
    const told = [...this.errors, ...ofLearners].join("\n") || messageOf(error);
    return [told, clusterRemedy(told)].filter(Boolean).join(" ");
  }

  close(): void {
    clearInterval(this.#timer);
    this.#options.display.close();
  }

  #newReader(): EngineReader {
    return new EngineReader([...this.#options.learners, ...(this.#options.others ?? [])]);
  }

  #take(change: StepChange): void {
    if (change.kind === "cause") return this.#cause(change.learner, change.cause);
    const { learner } = change;
    switch (change.kind) {
      case "unchanged":
        return this.#model.unchanged(change.learner, change.name.step);
      case "whole":
      case "gone":
        return this.learnerDone(change.learner);
      case "started":
        this.end(phases.compare);
        return this.tell({ event: "step-started", learner, ...change.name, action: change.action });
      default: {
        const since = this.#model.openSince(learner, change.name.step);
        const seconds = since === undefined ? 0 : (Date.now() - since) / 1000;
        this.tell({ event: change.kind === "done" ? "step-done" : "step-failed", learner, ...change.name, action: change.action, seconds });
        if (learner !== null && change.kind === "done" && change.name.step === handOverStep && change.action === "create")
          this.handedOver.add(learner);
        if (learner !== null) this.#failWhenOver(learner);
      }
    }
  }

  #cause(learner: string | null, cause: string): void {
    if (learner === null) return void this.errors.push(cause);
    this.failures.set(learner, [...(this.failures.get(learner) ?? []), cause]);
    this.#failWhenOver(learner);
  }

  /** A failure is told once it has its cause and nothing of the learner's is under way any more. */
  #failWhenOver(learner: string): void {
    if (this.#model.hasFailedStep(learner) && this.failures.has(learner) && !this.#model.hasOpenSteps(learner)) this.#fail(learner);
  }

  #fail(learner: string): void {
    this.learnerFailed(learner, this.failures.get(learner)?.join(" ") ?? "");
  }

  #seconds(): number {
    return (Date.now() - this.startedAt) / 1000;
  }

  #tick(): void {
    const now = Date.now();
    this.#options.display.tick(() => this.#model.view(now));
    if (now - this.#lastEventAt < quietMs) return;
    const { rows, cohort, secondsLeft } = this.#model.view(now);
    const open = [...rows.flatMap((row) => row.open), ...cohort].sort((a, b) => b.seconds - a.seconds);
    this.tell({
      event: "waiting",
      for: open.map(({ learner, step, title, seconds }) => ({ learner, step, title, seconds })),
      aboutSecondsLeft: secondsLeft ?? null,
    });
  }
}
