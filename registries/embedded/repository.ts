import { cohortPaths } from "../../shared/paths.ts";
import { fluxUsername, isIssued, issueCredential, pipelineUsername, revokeCredentials } from "../../host/access.ts";
import type { Driver } from "../../host/driver.ts";
import { recordCreation } from "../../ledger/inventory.ts";
import { ownership, removeOwned } from "../../ledger/ownership.ts";
import { learnerImages } from "../../host/registry/config.ts";
import { partsOf } from "../../host/driver.ts";

export interface ImageRepositoryInput {
  readonly cohort: string;
  readonly learner: string;
  /** Name of the image. */
  readonly name: string;
  /** `host:port` of the cohort's registry. */
  readonly registry: string;
  /** Of the credentials: a higher one gives new ones and refuses the old. */
  readonly generation?: number;
}

export interface ImageRepositoryOutput {
  /** `host:port/<learner>/<name>`, without tag. */
  readonly repository: string;
  readonly username: string;
  readonly password: string;
  readonly fluxUsername: string;
  readonly fluxPassword: string;
  readonly pipelineUsername: string;
  readonly pipelinePassword: string;
}

/** A learner's path in the cohort's registry. The learner pulls and pushes, Flux pulls, the pipeline also deletes. */
export const imageRepository: Driver<ImageRepositoryInput, ImageRepositoryOutput, "image-repository"> = {
  name: "image-repository",
  replaceOn: ["cohort", "learner", "name"],

  async ensure({ cohort, learner, name, registry, generation }) {
    const paths = cohortPaths(cohort);
    const { access } = paths.learner(learner);
    await recordCreation(cohort, { kind: "images", id: learnerImages(paths, learner), name: `${registry}/${learner}`, learner });
    const own = await issueCredential(access, "registry", learner, "write", generation);
    const flux = await issueCredential(access, "registry", fluxUsername(learner), "read", generation);
    const pipeline = await issueCredential(access, "registry", pipelineUsername(learner), "manage", generation);
    return {
      id: `${cohort}/${learner}/${name}`,
      output: {
        repository: `${registry}/${learner}/${name}`,
        username: own.username,
        password: own.password,
        fluxUsername: flux.username,
        fluxPassword: flux.password,
        pipelineUsername: pipeline.username,
        pipelinePassword: pipeline.password,
      },
    };
  },

  async read(id, output) {
    const [cohort, learner] = partsOf(id);
    const { access } = cohortPaths(cohort).learner(learner);
    const users = [output.username, output.fluxUsername, output.pipelineUsername];
    const isOpen = await Promise.all(users.map((user) => isIssued(access, "registry", user)));
    return isOpen.every(Boolean) ? output : undefined;
  },

  async remove(id) {
    const [cohort, learner] = partsOf(id);
    const paths = cohortPaths(cohort);
    if ((await ownership(paths)) === "foreign") return;
    await revokeCredentials(paths.learner(learner).access, "registry");
    // Blobs may be other learners' too. They stay until the cohort's storage goes.
    await removeOwned(paths, learnerImages(paths, learner));
  },
};
