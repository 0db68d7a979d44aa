import { stackGithubCredential } from "../components/git/github-provider.ts";
import { githubPreflight } from "../host/github/preflight.ts";
import { apiUrlOf, githubApi } from "../shared/github/api.ts";
import type { CohortPlan } from "./plan.ts";

/**
 * Whether the Git host will let the cohort's repositories be made, before anything is. Throws LabError that says what
 * lacks.
 */
export async function preflightGit({ git, learners }: Pick<CohortPlan, "git" | "learners">): Promise<void> {
  if (git.kind !== "github") return;
  const accounts = Object.fromEntries(learners.flatMap(({ learner: { id, github } }) => (github === undefined ? [] : [[id, github]])));
  await githubPreflight(githubApi(apiUrlOf(git.url), await stackGithubCredential()), { ...git, accounts });
}
