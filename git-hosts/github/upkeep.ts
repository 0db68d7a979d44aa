import { ExitCode, LabError } from "../../shared/errors.ts";
import { apiUrlOf, githubApi } from "../../shared/github/api.ts";
import { githubCredential } from "../../shared/github/credential.ts";
import type { Account, ConfigReader } from "../git-host.ts";
import { githubPreflight } from "./preflight.ts";
import type { GithubSettings } from "./spec.ts";

/** Whether GitHub will let the repositories be made. Throws LabError that says what lacks. */
export async function preflight(settings: GithubSettings, learners: readonly Account[], config: ConfigReader): Promise<void> {
  const accounts = Object.fromEntries(learners.flatMap(({ id, github }) => (github === undefined ? [] : [[id, github]])));
  await githubPreflight(githubApi(apiUrlOf(settings.url), githubCredential(config)), { ...settings, accounts });
}

/** A repository that a removal deletes is not removed for a reset: no backup is made of one on GitHub. */
export function refuseReset({ onTeardown }: GithubSettings, cohort: string, learner: string): LabError | undefined {
  if (onTeardown !== "delete") return undefined;
  return new LabError(
    "reset-deletes",
    `A reset would delete the repository of ${learner} on GitHub, and no backup is made of one there. Nothing was changed. Set \`git.onTeardown: archive\` in the cohort file, run \`./lab up ${cohort}\` and then the command again.`,
    { exitCode: ExitCode.badInput },
  );
}
