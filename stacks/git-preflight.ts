import { stackConfig } from "../components/stack-config.ts";
import { gitHost } from "../git-hosts/hosts.ts";
import type { CohortPlan } from "./plan.ts";

/**
 * Whether the Git host will let the cohort's repositories be made, before anything is. Throws LabError that says what
 * lacks.
 */
export async function preflightGit({ git, learners }: Pick<CohortPlan, "git" | "learners">): Promise<void> {
  const host = gitHost(git.kind);
  const { preflight } = await host.upkeep();
  if (preflight === undefined) return;
  const accounts = learners.map(({ learner }) => learner);
  await preflight(git, accounts, await stackConfig(host.logsInWith));
}
