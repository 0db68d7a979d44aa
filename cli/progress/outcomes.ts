import type { LearnerOutcome } from "./events.ts";

/** How it ended for each learner of a run: told once, and by the first who knows. */
export class Outcomes {
  readonly #byLearner: Map<string, LearnerOutcome>;
  readonly #onEnd: ((outcome: LearnerOutcome) => void) | undefined;

  /** @param onEnd told of every learner's end as soon as it is known */
  constructor(learners: readonly string[], onEnd?: (outcome: LearnerOutcome) => void) {
    this.#byLearner = new Map(
      learners.map((learner) => [learner, { learner, result: "unfinished", seconds: null, evidence: null, cause: null }]),
    );
    this.#onEnd = onEnd;
  }

  /** Each learner's outcome so far. */
  get all(): readonly LearnerOutcome[] {
    return [...this.#byLearner.values()];
  }

  /** Returns whether the learner's end was not known before. */
  settle(learner: string, end: Pick<LearnerOutcome, "result" | "seconds"> & { readonly cause?: string }): boolean {
    const outcome = this.#byLearner.get(learner);
    if (outcome === undefined || outcome.result !== "unfinished") return false;
    const settled = { ...outcome, ...end };
    this.#byLearner.set(learner, settled);
    this.#onEnd?.(settled);
    return true;
  }

  /** A learner who is up is paused, so that nothing of theirs can be looked at. */
  pause(learner: string): void {
    const outcome = this.#byLearner.get(learner);
    if (outcome?.result === "up") this.#byLearner.set(learner, { ...outcome, result: "paused" });
  }

  /** What the evidence of a learner says. */
  prove(learner: string, evidence: NonNullable<LearnerOutcome["evidence"]>): void {
    const outcome = this.#byLearner.get(learner);
    if (outcome !== undefined) this.#byLearner.set(learner, { ...outcome, evidence });
  }
}
