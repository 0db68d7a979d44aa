import { resetUsername, type Environment } from "../../shared/names.ts";
import { proposalBranch, recordPath } from "../../verification/promotion-record.ts";
import { fluxUsername } from "../access.ts";
import { noCommit, type Push } from "../git/push.ts";
import { appBuilds, tagOfVersion, versionTaken } from "./app-builds.ts";
import { appFolder, releaseOf } from "./build.ts";
import { refuseFlux } from "./gate-flux.ts";
import { refuseImageByHand } from "./gate-images.ts";
import { refusePromotion } from "./gate-promotion.ts";
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
  const refusals = (await Promise.all([refuseRebuild(before, after, lab), ...looks])).filter((refusal) => refusal !== undefined);
  return [...refusals, ...(await refuseFlux(before, after, lab))];
}

async function refuseRebuild(before: string, after: string, lab: Lab): Promise<string | undefined> {
  const { repository } = lab;
  const [old, next] = await repository.resolveAll([before, after].map((commit) => `${commit}:${appFolder}`));
  if (next === old) return undefined;
  if (next === undefined)
    return `${appFolder}/ is deleted; it is the source of the backend. Put it back with \`git checkout ${before.slice(0, 7)} -- ${appFolder}\`.`;
  // What goes back to what was built, or could not be, asks for nothing.
  if ((await appBuilds(before, lab)).done.has(next)) return undefined;
  const release = await releaseOf(after, repository);
  if ("problem" in release) return release.problem;
  const taken = tagOfVersion(await lab.tags(), lab.environments[0]!, release.version);
  return taken === undefined ? undefined : versionTaken(release.version, taken);
}
