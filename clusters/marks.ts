import { createHash } from "node:crypto";
import { cohortLabel, learnerLabel } from "../shared/names.ts";
import type { Lifetime } from "../components/ports/cluster.ts";

/**
 * What everything in a cloud is marked with, for the bill and for whoever cleans up: whose it is and until when (UTC). In
 * the form that the strictest of the clouds allows: lower case, digits and `-`.
 */
export function marks(cohort: string, lifetime: Lifetime, learner?: string): Readonly<Record<string, string>> {
  const until = learner === undefined ? lifetime.cohortUntil : lifetime.until;
  return {
    "managed-by": "gitops-lab",
    [cohortLabel]: cohort,
    ...(learner !== undefined && { [learnerLabel]: learner }),
    "gitops-lab-expires": until.toISOString().slice(0, 16).replace("T", "-").replace(":", ""),
  };
}

/** The marks as one line, for what has a description and no labels. */
export function marksLine(all: Readonly<Record<string, string>>): string {
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

/**
 * Name of something in a cloud, of at most 40 characters. It follows from whose it is alone, so that no other change makes
 * the thing anew and that what an interrupted run left is met again instead of made twice.
 */
export function physicalName(cohort: string, owner: string): string {
  return `${owner}-${createHash("sha256").update(`${cohort}/${owner}`).digest("hex").slice(0, 8)}`;
}
