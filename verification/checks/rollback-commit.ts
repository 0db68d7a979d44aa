import { fluxNamespace, type Environment } from "../../shared/names.ts";
import { backendDeployment, noBackend } from "../backend-deployment.ts";
import { desiredImage, overlayPath } from "../desired-image.ts";
import type { Commit, GitReader } from "../git-reader.ts";
import { imageChanges } from "../held-rollback.ts";
import { formatImage, sameImage, shortImage, type ImageReference } from "../image-reference.ts";
import { factOf, getLive, Kustomization } from "../live-objects.ts";
import { appsKustomization } from "../readiness.ts";
import { reversals } from "../reverts.ts";
import type { CheckResult, EvidenceCheck } from "../types.ts";

const production: Environment = "production";

/**
 * The commit that brought production the image it runs, and that reverting it works: the revert applies to the tip of
 * the branch, gives the image before, and that image is still in the registry.
 */
export const rollbackCommit: EvidenceCheck = {
  id: "rollback-commit",
  title: "Rollback commit",
  command: `git log -1 --format=%H -- ${overlayPath(production)}`,

  async run({ kube, git, registry, learner }) {
    const { repository } = learner.registry;
    const [deployment, kustomization, change] = await Promise.all([
      backendDeployment(kube, production, repository),
      getLive(kube, Kustomization, fluxNamespace, appsKustomization(production)),
      latestImageChange(git, repository),
    ]);
    const objects = [deployment?.object, kustomization].flatMap((object) => (object ? factOf(object) : []));
    const fail = (observed: string, hint: string): CheckResult => ({
      status: "fail",
      basis: "live",
      expected: "a commit on the branch that gave production the image it runs, and whose revert gives a working image",
      observed,
      hint,
      facts: { change, objects },
    });

    if (!change) {
      return fail(
        "No commit changed production's image from one to another.",
        "Promote an image to production first; until then there is nothing to go back to.",
      );
    }
    const { commit, from, to, isRevert } = change;
    if (!deployment) return fail(noBackend(production, repository), reconcile);
    if (!sameImage(deployment.image, to)) {
      return fail(`Commit ${commit.id} set ${formatImage(to)}, but production runs ${formatImage(deployment.image)}.`, reconcile);
    }
    const applied = kustomization?.status.lastAppliedRevision?.split("sha1:")[1];
    if (!applied || !(await git.isAncestor(commit.id, applied))) {
      return fail(`Flux has applied ${applied ?? "nothing"} to production, which does not contain commit ${commit.id}.`, reconcile);
    }

    const reverted = await git.revert(commit.id);
    const after = reverted && (await desiredImage(git, reverted, production, repository));
    if (!after || !sameImage(after, from)) {
      const gives = after ? `gives ${formatImage(after)}` : "gives no image";
      return fail(
        `Reverting ${commit.id} at the tip of ${learner.git.branch} ${reverted ? gives : "conflicts with later commits"}.`,
        `Look at \`git log -p -- ${overlayPath(production)}\`: later commits touch the same lines and must be reverted first.`,
      );
    }
    if (!(await registry.manifest(from.digest ?? from.tag ?? ""))) {
      return fail(
        `The image before, ${formatImage(from)}, is no longer in the registry.`,
        "Push that image again, or roll back to one that is still there.",
      );
    }
    const by = `${isRevert ? "itself a revert, " : ""}by ${commit.author}`;
    return {
      status: "pass",
      basis: "live",
      observed: `git revert ${commit.id} (${by}) takes production from ${shortImage(to)} to ${shortImage(from)}`,
      facts: { change, applied, objects },
    };
  },
};

const reconcile = `Wait for Flux, or run \`flux reconcile kustomization ${appsKustomization(production)} --with-source\`, then verify again.`;

interface ImageChange {
  readonly commit: Commit;
  readonly from: ImageReference;
  readonly to: ImageReference;
  readonly isRevert: boolean;
}

async function latestImageChange(git: GitReader, repository: string): Promise<ImageChange | undefined> {
  const changes = await imageChanges(git, production, repository);
  const [latest] = changes;
  return latest && { commit: latest.source, from: latest.from, to: latest.to, isRevert: reversals(changes).has(latest) };
}
