import type { Environment } from "../../shared/names.ts";
import { formatTag, parseTag } from "../../shared/tags.ts";
import { desiredImage, overlayPath } from "../../verification/desired-image.ts";
import { sameImage, shortImage } from "../../verification/image-reference.ts";
import { parseRecord, proposalBranch, recordPath, type PromotionRecord } from "../../verification/promotion-record.ts";
import { lookAtRollout } from "../../verification/rollout.ts";
import { fluxUsername, resetUsername } from "../access.ts";
import { noCommit, type Push } from "../git/push.ts";
import { releaseOf } from "./build.ts";
import type { Lab } from "./lab.ts";

/**
 * Why a push to a learner's repository is refused, a paragraph each. It is looked at as a whole: what the branch's tip
 * says after it against what it said before. A reset puts back what was let in before, and is not looked at.
 */
export async function refusalsOf(push: Push, lab: Lab): Promise<string[]> {
  if (push.user === resetUsername(push.learner)) return [];
  const main = await lab.repository.branch();
  const refusals: string[] = [];
  for (const { ref, oldOid, newOid } of push.refs) {
    const misplaced = misplacedRef(ref, push, lab.environments);
    if (misplaced !== undefined) refusals.push(misplaced);
    else if (ref === `refs/heads/${main}` && oldOid !== noCommit && newOid !== noCommit)
      refusals.push(...(await refusalsOfMain(oldOid, newOid, lab)));
  }
  return refusals;
}

function misplacedRef(ref: string, { user, learner }: Push, environments: readonly Environment[]): string | undefined {
  if (!/^refs\/(heads|tags)\//.test(ref)) return `${ref} is the lab's own; push branches and tags.`;
  const proposal = environments.find((environment) => ref === `refs/heads/${proposalBranch(environment)}`);
  if (proposal === undefined || user === fluxUsername(learner)) return undefined;
  return `The branch ${proposalBranch(proposal)} belongs to image automation. To promote, change ${recordPath(proposal)} on the main branch.`;
}

async function refusalsOfMain(before: string, after: string, lab: Lab): Promise<string[]> {
  const [, ...promoted] = lab.environments;
  const looks = promoted.flatMap((environment, index) => [
    refusePromotion(before, after, environment, lab.environments[index]!, lab),
    refuseImageByHand(before, after, environment, lab),
  ]);
  return (await Promise.all([refuseRebuild(before, after, lab), ...looks])).filter((refusal) => refusal !== undefined);
}

/** A record that changed must ask for what runs in the environment before, by its immutable tag and its true digest. */
async function refusePromotion(
  before: string,
  after: string,
  environment: Environment,
  previous: Environment,
  lab: Lab,
): Promise<string | undefined> {
  const { repository } = lab;
  const path = recordPath(environment);
  const [old, text] = await Promise.all([repository.readFile(before, path), repository.readFile(after, path)]);
  if (text === old) return undefined;
  if (text === undefined)
    return `${path} is deleted; it says what ${environment} is asked to run. Put it back with \`git checkout ${before.slice(0, 7)} -- ${path}\`.`;
  const parsed = parseRecord(text);
  if ("problem" in parsed) return `${path} ${parsed.problem}.`;
  const { record } = parsed;
  // A record that asks for what the environment has at the same commit promotes nothing: a rollback may take it back.
  const desired = await desiredImage(repository, after, environment, lab.registry.repository);
  return desired?.digest === record.digest ? undefined : refuseRequest(record, environment, previous, lab);
}

async function refuseRequest(
  { tag, digest }: PromotionRecord,
  environment: Environment,
  previous: Environment,
  lab: Lab,
): Promise<string | undefined> {
  const path = recordPath(environment);
  const asks = `${path} asks for "${tag}"`;
  const family = parseTag(tag)?.environment;
  if (family === undefined) {
    return `${asks}, which is no immutable tag: a tag that can move says nothing of what was tested. Name the tag that ${previous} runs, ${previous}-v<version>-<revision>-<unix time>.`;
  }
  if (family !== previous) {
    const order = lab.environments.join(", then ");
    return `${asks}, an image of ${family}: ${environment} takes only what ${previous} runs. An image goes through ${order}; none is skipped.`;
  }
  const manifest = await lab.registryReader.manifest(tag);
  if (manifest === undefined) return `${asks}, and the registry has no such tag in ${lab.registry.repository}.`;
  if (manifest.digest !== digest) {
    return `${path} says that ${tag} is ${digest}, but the registry has ${manifest.digest} under that tag. Either the digest is mistyped or somebody pushed over the tag: look at what ${previous} runs with \`kubectl get deploy backend -n ${previous} -o wide\`.`;
  }
  const rollout = await lookAtRollout({ kube: lab.kube, registry: lab.registryReader, learner: { registry: lab.registry } }, previous);
  if (rollout.digest === undefined)
    return `${asks}, but ${previous} is not well: ${rollout.problem ?? "nothing runs there."} Promote when it is.`;
  if (rollout.digest !== digest)
    return `${asks} (${digest}), but ${previous} runs ${rollout.digest}: what did not run in ${previous} is not promoted to ${environment}.`;
  return undefined;
}

/** Image automation and the pipeline write an overlay's image; by hand it may only go back (or forth) to one it had. */
async function refuseImageByHand(before: string, after: string, environment: Environment, lab: Lab): Promise<string | undefined> {
  const { repository } = lab;
  const path = overlayPath(environment);
  const image = (treeish: string) => desiredImage(repository, treeish, environment, lab.registry.repository);
  const [old, next] = await Promise.all([image(before), image(after)]);
  if (old === undefined || (next !== undefined && sameImage(old, next))) return undefined;
  if (next === undefined)
    return `${path} names no image of ${lab.registry.repository} any more. Put it back with \`git checkout ${before.slice(0, 7)} -- ${path}\`.`;
  for (const commit of await repository.commitsTouching(before, path)) {
    const had = await image(commit);
    if (had !== undefined && sameImage(had, next)) return undefined;
  }
  return `${path} is set to ${shortImage(next)}, which ${environment} never had. An image reaches ${environment} by ${recordPath(environment)}; this file may only go back to an image that it named before, as \`git revert\` does.`;
}

/** A version is built once: other source under a version that was built is another image with the same name. */
async function refuseRebuild(before: string, after: string, lab: Lab): Promise<string | undefined> {
  const release = await releaseOf(before, after, lab.repository);
  if (release === undefined) return undefined;
  if ("problem" in release) return release.problem;
  const [environment] = lab.environments;
  const built = (await lab.tags()).map(parseTag).find((tag) => tag?.environment === environment && tag?.version === release.version);
  if (built === undefined) return undefined;
  return `app/ changed, but its version is still ${release.version}, which is built already (${formatTag(built)}): one version is one image, never rebuilt. Raise app/VERSION in the same push.`;
}
