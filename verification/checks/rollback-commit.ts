import { fluxNamespace, type Environment } from "../../shared/names.ts";
import { backendDeployment, noBackend } from "../backend-deployment.ts";
import { desiredImage, overlayPath } from "../desired-image.ts";
import type { KnownChange } from "../held-rollback.ts";
import { formatImage, sameImage, shortImage, type ImageReference } from "../image-reference.ts";
import { factOf, getLive, Kustomization } from "../live-objects.ts";
import { recordPath } from "../promotion-record.ts";
import { appsKustomization } from "../readiness.ts";
import { standingOf, type Standing } from "../standing.ts";
import type { CheckContext, CheckResult, EvidenceCheck } from "../types.ts";

const production: Environment = "production";

/**
 * The commit that brought production the image it runs, and that reverting it works: the revert applies to the tip of
 * the branch, gives the image before, and that image is still in the registry. Where production is rolled back already, the
 * commit that was taken back, and that the image it went back to is still in the registry.
 */
export const rollbackCommit: EvidenceCheck = {
  id: "rollback-commit",
  title: "Rollback commit",
  command: `git log -1 --format=%H -- ${overlayPath(production)}`,

  async run(context) {
    const { kube, git, learner } = context;
    const { repository } = learner.registry;
    const [deployment, kustomization, standing] = await Promise.all([
      backendDeployment(kube, production, repository),
      getLive(kube, Kustomization, fluxNamespace, appsKustomization(production)),
      standingOf(context, production),
    ]);
    const objects = [deployment?.object, kustomization].flatMap((object) => (object ? factOf(object) : []));
    const change = standing.latest ?? standing.changes[0];
    const fail = (observed: string, hint: string): CheckResult => ({
      status: "fail",
      basis: "live",
      expected: "a commit on the branch that gave production the image it runs, and whose revert gives a working image",
      observed,
      hint,
      facts: { change: change && factOfChange(change), objects },
    });

    if (!change) {
      return fail(
        "No commit changed production's image from one to another.",
        "Promote an image to production first; until then there is nothing to go back to.",
      );
    }
    const { commit, from, to } = change;
    if (!deployment) return fail(noBackend(production, repository), reconcile);
    if (!sameImage(deployment.image, to)) {
      return fail(`Commit ${commit} set ${formatImage(to)}, but production runs ${formatImage(deployment.image)}.`, reconcile);
    }
    const applied = kustomization?.status.lastAppliedRevision?.split("sha1:")[1];
    if (!applied || !(await git.isAncestor(commit, applied))) {
      return fail(`Flux has applied ${applied ?? "nothing"} to production, which does not contain commit ${commit}.`, reconcile);
    }

    const { kind, promotion } = standing;
    if (kind === "rolled-back" && promotion !== undefined) {
      const missing = await missingFrom(context, to);
      if (missing !== undefined)
        return fail(`Production is rolled back to an image that can't be started anew: ${missing}`, await wayOut(context, standing));
      return {
        status: "pass",
        basis: "live",
        observed: `git revert ${promotion.commit} was to take production back; ${commit} (by ${change.author}) took it from ${shortImage(from)} to ${shortImage(to)}${await forward(context, change)}`,
        facts: { change: factOfChange(promotion), rolledBackBy: factOfChange(change), applied, objects },
      };
    }

    const after = await revertGives(context, commit);
    if (!after?.image || !sameImage(after.image, from)) {
      const gives = after?.image ? `gives ${formatImage(after.image)}` : "gives no image";
      return fail(
        `Reverting ${commit} at the tip of ${learner.git.branch} ${after ? gives : "conflicts with later commits"}.`,
        `Look at \`git log -p -- ${overlayPath(production)}\`: later commits touch the same lines and must be reverted first.`,
      );
    }
    const missing = await missingFrom(context, from);
    if (missing !== undefined)
      return fail(`Reverting ${commit} would give an image that can't run: ${missing}`, await wayOut(context, standing));
    const isAgain = promotion !== undefined && promotion !== change;
    return {
      status: "pass",
      basis: "live",
      observed: `git revert ${commit} (${isAgain ? "itself a revert, " : ""}by ${change.author}) takes production from ${shortImage(to)} to ${shortImage(from)}`,
      facts: { change: factOfChange(change), applied, objects },
    };
  },
};

const reconcile = `Wait for Flux, or run \`flux reconcile kustomization ${appsKustomization(production)} --with-source\`, then verify again.`;

const factOfChange = ({ source, from, to }: KnownChange) => ({ commit: source, from, to });

/** What a revert at the tip would give production; undefined where it conflicts. */
async function revertGives(
  { git, learner }: CheckContext,
  commit: string,
): Promise<{ readonly image: ImageReference | undefined } | undefined> {
  const reverted = await git.revert(commit);
  return reverted === undefined ? undefined : { image: await desiredImage(git, reverted, production, learner.registry.repository) };
}

/** Why an image can't be run from the registry, as a sentence; undefined where it can, under the tag that Git would name. */
async function missingFrom({ registry }: CheckContext, image: ImageReference): Promise<string | undefined> {
  const { tag, digest } = image;
  if (digest !== undefined && !(await registry.manifest(digest))) return `${formatImage(image)} is no longer in the registry.`;
  if (tag === undefined) return digest === undefined ? `${formatImage(image)} names neither tag nor digest.` : undefined;
  const named = await registry.manifest(tag);
  if (named === undefined) return `the registry has no tag ${tag} any more.`;
  return digest === undefined || named.digest === digest
    ? undefined
    : `the tag ${tag} names ${named.digest} in the registry, not ${digest} as in Git.`;
}

/** How to go forward again, where that can be done. */
async function forward(context: CheckContext, { commit, from }: KnownChange): Promise<string> {
  const after = await revertGives(context, commit);
  const works = after?.image !== undefined && sameImage(after.image, from) && (await missingFrom(context, from)) === undefined;
  return works
    ? `; git revert ${commit} goes forward again`
    : `; forward goes only a new promotion (${recordPath(production)}), for ${shortImage(from)} can't be brought back`;
}

/** The newest image that production had and that can be run, with the commands that bring it back; never one that can't. */
async function wayOut(context: CheckContext, { asked, changes }: Standing): Promise<string> {
  const tried = new Set<string>(asked === undefined ? [] : [formatImage(asked)]);
  for (const { commit, to } of [...changes, ...seedOf(changes)]) {
    if (tried.has(formatImage(to))) continue;
    tried.add(formatImage(to));
    if ((await missingFrom(context, to)) !== undefined) continue;
    const path = overlayPath(production);
    return `The newest image that production had and the registry has is ${shortImage(to)}: \`git checkout ${commit} -- ${path} && git commit -m "Take production back to ${shortImage(to)}"\`, then push.`;
  }
  return `No other image that production had is in the registry: go forward with a new promotion (${recordPath(production)}).`;
}

/** What production had before its first change, and a commit that says so. */
function seedOf(changes: readonly KnownChange[]): { readonly commit: string; readonly to: ImageReference }[] {
  const oldest = changes.at(-1);
  const parent = oldest?.source.parents[0];
  return oldest === undefined || parent === undefined ? [] : [{ commit: parent, to: oldest.from }];
}
