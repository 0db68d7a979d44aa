import { z } from "zod";
import { LabError } from "../../../shared/errors.ts";
import { writeBudget, type Pace } from "../../../shared/github/pace.ts";
import type { Driver } from "../../../host/driver.ts";
import { cohortTopic } from "../ownership.ts";
import { repositoriesWithTopic } from "../repositories.ts";
import { retire, type OnTeardown } from "../retire.ts";
import { githubSession } from "../session.ts";

export interface GithubCohortInput {
  readonly cohort: string;
  readonly organization: string;
  readonly apiUrl: string;
  readonly onTeardown: OnTeardown;
  readonly pace: Pace;
  /** The server's SSH keys, where it does not publish them itself. */
  readonly hostKeys: readonly string[];
}

export interface GithubCohortOutput {
  readonly cohort: string;
  readonly organization: string;
  readonly apiUrl: string;
  readonly onTeardown: OnTeardown;
  /** On every repository of the cohort. */
  readonly topic: string;
  /** The server's SSH keys, each `<type> <base64>`. */
  readonly sshHostKeys: readonly string[];
}

/** What the repositories of a cohort on GitHub share. All of them go before it, so it finds what no state knows of. */
export const githubCohort: Driver<GithubCohortInput, GithubCohortOutput, "github-cohort"> = {
  name: "github-cohort",
  replaceOn: ["cohort", "organization", "apiUrl"],

  async ensure({ cohort, organization, apiUrl, onTeardown, pace, hostKeys }) {
    await writeBudget(apiUrl).setPace(pace);
    const sshHostKeys = hostKeys.length > 0 ? hostKeys : await publishedHostKeys(apiUrl);
    return {
      id: `${organization}/${cohort}`,
      output: { cohort, organization, apiUrl, onTeardown, topic: await cohortTopic(cohort), sshHostKeys },
    };
  },

  async read(_id, output) {
    return output;
  },

  // A repository whose making was cut off before Pulumi wrote it down.
  async remove(_id, { cohort, organization, apiUrl, onTeardown, topic }) {
    const api = githubSession(apiUrl);
    for (const repository of await repositoriesWithTopic(api, organization, topic)) await retire(api, cohort, repository, onTeardown);
  },
};

/** GitHub tells its SSH keys over HTTPS, where its certificate vouches for them. */
async function publishedHostKeys(apiUrl: string): Promise<string[]> {
  const { body } = await githubSession(apiUrl).send({
    method: "GET",
    path: "/meta",
    purpose: "tell its SSH keys",
    needs: "any credential",
  });
  const { ssh_keys } = z.object({ ssh_keys: z.array(z.string()).default([]) }).parse(body);
  if (ssh_keys.length > 0) return ssh_keys;
  throw new LabError(
    "github-host-keys",
    `${apiUrl}/meta names no SSH keys of the server, as a GitHub Enterprise Server may not, and Flux connects to no server that it does not know. Give them as \`git.hostKeys\` in the cohort file: \`ssh-keyscan -t ed25519 <host>\`, checked with whoever runs the server.`,
  );
}
