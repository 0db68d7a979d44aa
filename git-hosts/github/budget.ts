import { pacedSeconds, paceShares } from "../../shared/github/pace.ts";
import { githubWrites } from "../../shared/github/writes.ts";
import { pluginChoice, type PluginChoice } from "../../tools/plugin-choice.ts";
import type { WriteBudget, Written } from "../git-host.ts";
import type { GithubSettings } from "./spec.ts";

/**
 * How many requests a whole cohort writes to GitHub, and how long they take at the lab's pace. Repositories that are there
 * already cost nothing, but this does not look for them.
 */
export function githubBudget(
  { protect, pace: allowed }: GithubSettings,
  { learners, registrySecrets }: Written,
  { implementation }: Pick<PluginChoice, "implementation"> = pluginChoice("github"),
): WriteBudget {
  const { lab, provider } = githubWrites({ protect, registrySecrets });
  const { pace, writeDelayMs } = paceShares(allowed, implementation, provider * learners);
  const own = pacedSeconds((implementation === "fallback" ? lab + provider : lab) * learners, pace);
  // The official plugin writes beside the lab, with a pause after each write.
  const plugins = implementation === "fallback" ? 0 : (provider * learners * writeDelayMs) / 1000;
  return { writesPerLearner: lab + provider, writes: (lab + provider) * learners, ...allowed, seconds: Math.round(Math.max(own, plugins)) };
}
