import type { LearnerFacts } from "./facts.ts";

/** What changes without a commit, such as a Deployment edited by hand, is seen after this time. */
export const verifyAgainMs = 30 * 60_000;
/** The same of a checklist with a failure. */
const redAgainMs = 2 * 60_000;
/** So long after a rollback has stood for long enough it is looked whether it did; and so often while it still waits. */
const holdMarginMs = 5000;

/** When a checklist is looked at again though nothing moved: soon after a rollback holds, and more often while it is red. */
export function nextLookMs(checklist: LearnerFacts["checklist"], now = Date.now()): number {
  const { hold } = checklist?.promotion ?? {};
  if (hold?.state === "waiting") return Math.max(Date.parse(hold.until) - now, 0) + holdMarginMs;
  return checklist?.redSince === undefined ? verifyAgainMs : redAgainMs;
}
