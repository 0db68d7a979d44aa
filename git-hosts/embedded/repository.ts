import { join } from "node:path";
import { cohortPaths } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { fluxUsername, isIssued, issueCredential, revokeCredentials } from "../../host/access.ts";
import type { Driver } from "../../host/driver.ts";
import { recordCreation } from "../../ledger/inventory.ts";
import { ownership, removeOwned } from "../../ledger/ownership.ts";
import { removeLimitHits } from "../../host/limits/hits.ts";
import { createRepository, seedRepository, type Seed } from "../../host/git/repository.ts";
import { partsOf } from "../../host/driver.ts";

export interface GitRepositoryInput {
  readonly cohort: string;
  readonly learner: string;
  readonly repository: string;
  /** Base URL of the cohort's daemon. */
  readonly baseUrl: string;
  readonly branch: string;
  /** The repository's first commit; a repository that has one keeps it. */
  readonly seed: Seed;
  /** Of the credentials: a higher one gives new ones and refuses the old. */
  readonly generation?: number;
}

export interface GitRepositoryOutput {
  /** Folder on the lab host. */
  readonly path: string;
  readonly url: string;
  readonly branch: string;
  readonly seedCommit: string;
  readonly learnerUsername: string;
  readonly learnerPassword: string;
  readonly fluxUsername: string;
  readonly fluxPassword: string;
}

/** A learner's repository on the lab host: one folder, open to the learner and to Flux, who both fetch and push. */
export const gitRepository: Driver<GitRepositoryInput, GitRepositoryOutput, "git-repository"> = {
  name: "git-repository",
  replaceOn: ["cohort", "learner", "repository", "branch"],
  creationOnly: ["seed"],

  async ensure({ cohort, learner, repository, baseUrl, branch, seed, generation }) {
    const paths = cohortPaths(cohort);
    const path = join(paths.git, learner, `${repository}.git`);
    await recordCreation(cohort, { kind: "repository", id: path, name: `${learner}/${repository}`, learner });
    await createRepository(path, branch);
    const seedCommit = await seedRepository(path, branch, seed);

    const { access } = paths.learner(learner);
    const own = await issueCredential(access, "git", learner, "write", generation);
    const flux = await issueCredential(access, "git", fluxUsername(learner), "write", generation);
    return {
      id: `${cohort}/${learner}/${repository}`,
      output: {
        path,
        url: `${baseUrl}/git/${learner}/${repository}.git`,
        branch,
        seedCommit,
        learnerUsername: own.username,
        learnerPassword: own.password,
        fluxUsername: flux.username,
        fluxPassword: flux.password,
      },
    };
  },

  async read(id, output) {
    const { access } = learnerPaths(id);
    const isThere = (await readIfExists(join(output.path, "HEAD"))) !== undefined;
    const isOpen = (await isIssued(access, "git", output.learnerUsername)) && (await isIssued(access, "git", output.fluxUsername));
    return isThere && isOpen ? output : undefined;
  },

  async remove(id, output) {
    const [cohort] = partsOf(id);
    const paths = cohortPaths(cohort);
    if ((await ownership(paths)) === "foreign") return;
    await revokeCredentials(learnerPaths(id).access, "git");
    await removeLimitHits(learnerPaths(id));
    await removeOwned(paths, output.path);
  },
};

function learnerPaths(id: string) {
  const [cohort, learner] = partsOf(id);
  return cohortPaths(cohort).learner(learner);
}
