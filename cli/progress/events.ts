import { z } from "zod";
import { Receipt } from "../../ledger/receipt.ts";
import { promotionStates } from "../../verification/bundle/schema.ts";

/*
 * What a run of `up`, `down`, `retry` or `reset` tells while it goes on. `--json` prints these, one a line, and
 * docs/cli.md describes them. A new field is optional or comes with a new `schemaVersion`; readers skip events they do
 * not know.
 */
const every = { schemaVersion: z.literal(1), time: z.iso.datetime() };
/** To the millisecond. */
const Seconds = z.number().nonnegative();

const Step = z.object({
  /** Null for what the whole cohort waits for. */
  learner: z.string().nullable(),
  /** Stable name, e.g. `control-plane`. */
  step: z.string(),
  /** The same for people. */
  title: z.string(),
});

export const Action = z.enum(["create", "update", "delete", "replace", "do"]);
export type Action = z.output<typeof Action>;

export const Evidence = z.object({ verdict: z.enum(["pass", "fail", "error"]), passed: z.int(), of: z.int() });
export type Evidence = z.output<typeof Evidence>;

/** What came of one learner; `paused`: as it should be, but stopped by somebody who wanted it; `unfinished`: the run ended before it was known. */
export const LearnerOutcome = z.object({
  learner: z.string(),
  result: z.enum(["up", "paused", "removed", "failed", "unfinished"]),
  /** From the start of the run; null where it was not reached. */
  seconds: Seconds.nullable(),
  /** Null where nothing was looked at. */
  evidence: Evidence.nullable(),
  cause: z.string().nullable(),
});
export type LearnerOutcome = z.output<typeof LearnerOutcome>;

export const RunCommand = z.enum(["up", "retry", "down", "reset", "rotate"]);
export type RunCommand = z.output<typeof RunCommand>;

export const ProgressEvent = z.discriminatedUnion("event", [
  z.object({ ...every, event: z.literal("run-started"), command: RunCommand, cohort: z.string(), learners: z.array(z.string()) }),
  z.object({ ...every, event: z.literal("step-started"), ...Step.shape, action: Action }),
  z.object({ ...every, event: z.literal("step-done"), ...Step.shape, action: Action, seconds: Seconds }),
  z.object({ ...every, event: z.literal("step-failed"), ...Step.shape, action: Action, seconds: Seconds }),
  z.object({ ...every, event: z.literal("learner-done"), learner: z.string(), seconds: Seconds }),
  z.object({ ...every, event: z.literal("learner-failed"), learner: z.string(), seconds: Seconds, cause: z.string() }),
  /** Nothing else happened for some seconds: what is under way, and since when. */
  z.object({
    ...every,
    event: z.literal("waiting"),
    for: z.array(Step.extend({ seconds: Seconds })),
    aboutSecondsLeft: Seconds.nullable(),
  }),
  z.object({ ...every, event: z.literal("interrupted"), signal: z.string(), atOnce: z.boolean() }),
  z.object({
    ...every,
    event: z.literal("evidence"),
    learner: z.string(),
    ...Evidence.shape,
    items: z.array(z.object({ id: z.string(), status: Evidence.shape.verdict })),
    /** What has become of the newest promotion, where that could be seen. */
    promotion: z
      .object({ state: z.enum(promotionStates), since: z.iso.datetime().optional(), hold: z.enum(["waiting", "held"]).optional() })
      .optional(),
  }),
  z.object({
    ...every,
    event: z.literal("summary"),
    command: RunCommand,
    cohort: z.string(),
    result: z.enum(["succeeded", "failed", "interrupted"]),
    exitCode: z.int(),
    seconds: Seconds,
    /** What the engine did, by operation; what stayed as it was is left out. */
    changes: z.record(z.string(), z.int()),
    learners: z.array(LearnerOutcome),
    /** Why the run as a whole did not succeed, where that is no single learner's. */
    cause: z.string().nullable(),
  }),
  /** What a teardown that came to its end leaves. */
  z.object({ ...every, event: z.literal("receipt"), receipt: Receipt }),
]);
export type ProgressEvent = z.output<typeof ProgressEvent>;

type WithoutStamp<E> = E extends unknown ? Omit<E, keyof typeof every> : never;
/** An event before it is stamped with version and time. */
export type ProgressFact = WithoutStamp<ProgressEvent>;

export function stamp(fact: ProgressFact, at: Date): ProgressEvent {
  return { schemaVersion: 1, time: at.toISOString(), ...fact };
}
