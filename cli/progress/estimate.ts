/** Seconds by step. */
export type StepSeconds = Readonly<Record<string, number>>;

/** What one learner needs in this run. */
export interface LearnerWork {
  /** Steps that this run has to do or has done. */
  readonly steps: readonly string[];
  readonly done: ReadonlySet<string>;
  /** Seconds that a step has been under way. */
  readonly open: ReadonlyMap<string, number>;
}

export interface EstimateInput {
  readonly work: readonly LearnerWork[];
  readonly typical: StepSeconds;
  /** Seconds of the steps that this run has done, which go before typical ones. */
  readonly measured: ReadonlyMap<string, readonly number[]>;
  /** What earlier measurements say of the whole run. */
  readonly expectedSeconds: number;
  readonly elapsedSeconds: number;
}

/**
 * Seconds until all learners are done, by the share of finished work and this run's speed. Each step weighs the time it
 * takes, measured in this run or else earlier. At first the earlier measurements decide, later more and more this run's own
 * pace. Undefined when nothing is left to do or nothing can be said.
 */
export function remainingSeconds({ work, typical, measured, expectedSeconds, elapsedSeconds }: EstimateInput): number | undefined {
  const means = new Map(
    [...measured].flatMap(([step, seen]) =>
      step in typical ? [[step, seen.reduce((sum, seconds) => sum + seconds, 0) / seen.length] as const] : [],
    ),
  );
  const sum = (values: Iterable<number>) => [...values].reduce((all, value) => all + value, 0);
  // What has not been measured yet is as much slower or faster than usual as what has.
  const slowness = means.size === 0 ? 1 : sum(means.values()) / sum([...means.keys()].map((step) => typical[step]!));
  const weight = (step: string) => means.get(step) ?? typical[step]! * slowness;
  let [total, left] = [0, 0];
  for (const { steps, done, open } of work) {
    for (const step of steps) {
      const underWay = open.get(step) ?? 0;
      // What takes longer than it should is not over for that.
      const whole = Math.max(weight(step), underWay * 1.25);
      total += whole;
      if (!done.has(step)) left += whole - underWay;
    }
  }
  if (left <= 0 || total <= 0) return undefined;
  const share = 1 - left / total;
  const byCosts = Math.max(expectedSeconds - elapsedSeconds, 0);
  if (share === 0) return byCosts > 0 ? byCosts : undefined;
  const byPace = elapsedSeconds / share - elapsedSeconds;
  return share * byPace + (1 - share) * byCosts;
}
