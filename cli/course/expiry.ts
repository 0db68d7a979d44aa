import { ttlMs } from "../../shared/ttl.ts";

/** When a cohort and its learners were made, and for how long. */
export interface Lifetime {
  readonly cohort: string;
  readonly createdAt: Date;
  /** `12h`, `14d` or `2w`. */
  readonly ttl: string;
  /** Learners with a time of their own. */
  readonly learners: readonly { readonly id: string; readonly createdAt: Date; readonly ttl: string }[];
}

export interface Expiry {
  readonly cohort: string;
  /** Undefined for the cohort as a whole. */
  readonly learner?: string;
  /** ISO 8601. */
  readonly endsAt: string;
  /** `soon`: within the next 24 hours. */
  readonly state: "over" | "soon" | "later";
}

const hourMs = 3_600_000;

/** When a cohort and its learners end, the cohort first. A learner whose time is longer ends with the cohort. */
export function expiries({ cohort, createdAt, ttl, learners }: Lifetime, now: Date): Expiry[] {
  const end = (from: Date, time: string) => from.getTime() + ttlMs(time);
  const expiry = (ends: number): Pick<Expiry, "endsAt" | "state"> => ({
    endsAt: new Date(ends).toISOString(),
    state: ends <= now.getTime() ? "over" : ends <= now.getTime() + 24 * hourMs ? "soon" : "later",
  });
  const ofCohort = end(createdAt, ttl);
  return [
    { cohort, ...expiry(ofCohort) },
    ...learners.flatMap((learner) => {
      const ends = end(learner.createdAt, learner.ttl);
      return ends < ofCohort ? [{ cohort, learner: learner.id, ...expiry(ends) }] : [];
    }),
  ];
}
