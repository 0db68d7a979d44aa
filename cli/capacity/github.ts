import { pacedSeconds, paceShares } from "../../shared/github/pace.ts";
import { githubWrites } from "../../shared/github/writes.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { pluginChoice, type PluginChoice } from "../../tools/plugin-choice.ts";

export interface GithubBudget {
  /** Requests that write, for each learner and in all. */
  readonly writesPerLearner: number;
  readonly writes: number;
  readonly perMinute: number;
  readonly perHour: number;
  /** Until the last of them, with none in the hour before. */
  readonly seconds: number;
}

/**
 * How many requests a whole cohort writes to GitHub, and how long they take at the lab's pace; undefined where the cohort is
 * not on GitHub. Repositories that are there already cost nothing, but this does not look for them.
 */
export function githubBudget(
  { git, registry, learners }: Pick<CohortPlan, "git" | "registry" | "learners">,
  { implementation }: Pick<PluginChoice, "implementation"> = pluginChoice("github"),
): GithubBudget | undefined {
  if (git.kind !== "github") return undefined;
  const { lab, provider } = githubWrites({ protect: git.protect, registrySecrets: registry.kind !== "ghcr" });
  const count = learners.length;
  const { pace, writeDelayMs } = paceShares(git.pace, implementation, provider * count);
  const own = pacedSeconds((implementation === "fallback" ? lab + provider : lab) * count, pace);
  // The official plugin writes beside the lab, with a pause after each write.
  const plugins = implementation === "fallback" ? 0 : (provider * count * writeDelayMs) / 1000;
  return { writesPerLearner: lab + provider, writes: (lab + provider) * count, ...git.pace, seconds: Math.round(Math.max(own, plugins)) };
}
