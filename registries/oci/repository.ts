import { LabError, messageOf } from "../../shared/errors.ts";
import { parseTag } from "../../shared/tags.ts";
import type { Driver } from "../../host/driver.ts";
import { withRepository, type RepositoryAccess } from "../../host/images/crane.ts";
import { noteRemainder } from "../../ledger/remainders.ts";
import { stackConfig } from "../../host/stack-config.ts";

export interface OciRepositoryInput extends RepositoryAccess {
  readonly cohort: string;
  readonly learner: string;
  /** Other paths of the learner beside it, which go with it. */
  readonly siblings: readonly string[];
}

export interface OciRepositoryOutput extends RepositoryAccess {
  readonly cohort: string;
  readonly siblings: readonly string[];
}

/** Name in the stack's configuration of the password for a registry elsewhere. */
export const registryPassword = "registryPassword";

/**
 * A learner's path in a registry elsewhere. The registry makes it with the first image; all that is looked at before is
 * that the credential works and that nobody else's images are there.
 */
export const ociRepository: Driver<OciRepositoryInput, OciRepositoryOutput, "oci-repository"> = {
  name: "oci-repository",
  replaceOn: ["repository"],

  async ensure({ cohort, learner, siblings, repository, username, password, insecure }) {
    const access = { repository, username, password, insecure };
    const tags = await withRepository(access, (client) => client.tags());
    if (tags.length > 0 && !tags.some((tag) => parseTag(tag) !== undefined)) {
      throw new LabError(
        "registry-path-taken",
        `${repository}, which learner ${learner} would get, holds images that no lab pushed (${tags[0]}). They were not touched. Give the cohort another name or the registry another path, and run the command again.`,
      );
    }
    return { id: `${cohort}/${learner}/${repository}`, output: { cohort, siblings, ...access } };
  },

  async read(_id, output) {
    return output;
  },

  async remove(_id, { cohort, siblings, ...access }) {
    // A password that was changed since is the one that holds.
    const password = stackConfig(registryPassword) ?? access.password;
    for (const repository of [access.repository, ...siblings]) await removeImages(cohort, { ...access, password, repository });
  },
};

/** Deletes every manifest; notes what a registry keeps, since not each allows it (OCI distribution specification, "Content Management"). */
async function removeImages(cohort: string, access: RepositoryAccess): Promise<void> {
  const { repository } = access;
  await withRepository(access, async (client) => {
    const tags = await client.tags();
    const digests = new Set(await Promise.all(tags.map((tag) => client.digest(tag))));
    for (const digest of digests) {
      try {
        await client.remove(digest);
      } catch (error) {
        const said = messageOf(error);
        if (!/UNSUPPORTED|DENIED|UNAUTHORIZED|405|403/i.test(said)) throw error;
        return noteRemainder(
          cohort,
          `${digests.size} images in ${repository}: the registry deletes none for this credential (${said.split("failed: ")[1]?.replace(/\. Look at.*/s, "") ?? said}); ${howToRemove(repository)}`,
        );
      }
    }
  });
}

/** GitHub's registry deletes no manifests but whole packages, in a place of its own. */
function howToRemove(repository: string): string {
  const [host, owner, ...name] = repository.split("/");
  return host === "ghcr.io"
    ? `remove it with \`gh api -X DELETE /orgs/${owner}/packages/container/${encodeURIComponent(name.join("/"))}\``
    : "remove them where the registry is run";
}
