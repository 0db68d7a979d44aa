import type { Driver } from "../../../host/driver.ts";
import type { Seed } from "../../../host/git/repository.ts";
import { seedRemote } from "../seed.ts";
import { githubSession } from "../session.ts";

export interface GithubSeedInput {
  /** Another number is another repository. */
  readonly repositoryId: number;
  /** HTTPS clone URL. */
  readonly url: string;
  readonly apiUrl: string;
  readonly branch: string;
  readonly seed: Seed;
}

export interface GithubSeedOutput {
  readonly seedCommit: string;
}

/** The first commit of a learner's repository, pushed by Git as a whole when everything that its workflows need is there. */
export const githubSeed: Driver<GithubSeedInput, GithubSeedOutput, "github-seed"> = {
  name: "github-seed",
  replaceOn: ["repositoryId", "branch"],
  creationOnly: ["url", "apiUrl", "seed"],

  async ensure({ repositoryId, url, apiUrl, branch, seed }) {
    const password = await githubSession(apiUrl).token();
    const seedCommit = await seedRemote({ url, branch, username: "x-access-token", password }, seed);
    return { id: `${repositoryId}/${branch}`, output: { seedCommit } };
  },

  async read(_id, output) {
    return output;
  },

  async remove() {},
};
