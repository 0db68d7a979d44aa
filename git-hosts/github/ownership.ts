import { labMark } from "../../ledger/lab-mark.ts";
import type { Repository } from "./repositories.ts";

/** On every repository of any lab. */
const generalTopic = "gitops-lab";

/** By what a repository is known to be a learner's of this lab. */
export interface Ownership {
  /** On all repositories of the cohort. GitHub allows 50 characters of `a-z`, `0-9` and `-`. */
  readonly topic: string;
  /** Of one learner's repository, made with it: in the moment before it has its topics this is its mark. */
  readonly description: string;
}

export function topicsOf({ topic }: Pick<Ownership, "topic">): string[] {
  return [generalTopic, topic];
}

/**
 * The cohort's topic. Two instructors may have cohorts of one name in one organization, so it ends in what is this
 * lab home's own.
 */
export async function cohortTopic(cohort: string): Promise<string> {
  return `${generalTopic}-${cohort}-${await labMark()}`;
}

export function descriptionOf(learner: string, topic: string): string {
  return `Lab repository of ${learner} (${topic})`;
}

/** Whether the lab made a repository. Its name says nothing: anybody may have given that. */
export function isOwn({ topics, description }: Pick<Repository, "topics" | "description">, own: Ownership): boolean {
  return topics.includes(own.topic) || (topics.length === 0 && description === own.description);
}
