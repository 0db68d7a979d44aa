import type { Environment } from "../../shared/names.ts";
import { desiredImage, overlayPath } from "../../verification/desired-image.ts";
import { wasBrought } from "../../verification/image-history.ts";
import { sameImage, shortImage } from "../../verification/image-reference.ts";
import { recordPath } from "../../verification/promotion-record.ts";
import { textFault } from "../../shared/person-text.ts";
import type { Lab } from "./lab.ts";

/**
 * The pipeline writes an overlay's image; by hand it may only go back (or forth) to one that the pipeline brought there. An
 * image that only a commit named does not count: a push may bring one, together with the commit that takes it back.
 */
export async function refuseImageByHand(before: string, after: string, environment: Environment, lab: Lab): Promise<string | undefined> {
  const { repository } = lab;
  const path = overlayPath(environment);
  const image = (treeish: string) => desiredImage(repository, treeish, environment, lab.registry.repository);
  const [old, next] = await Promise.all([image(before), image(after)]);
  if (next === undefined) {
    const encoding = textFault((await repository.readFile(after, path)) ?? "");
    if (encoding !== undefined) return `${path} ${encoding}.`;
    return old === undefined
      ? undefined
      : `${path} names no image of ${lab.registry.repository} any more, or more than one. Put it back with \`git checkout ${before.slice(0, 7)} -- ${path}\`.`;
  }
  if (old !== undefined && sameImage(old, next)) return undefined;
  if (wasBrought(await lab.imageHistory(before), environment, next)) return undefined;
  return `${path} is set to ${shortImage(next)}, which ${environment} never had. An image reaches ${environment} by ${recordPath(environment)}; this file may only go back to an image that a promotion brought before, as \`git revert\` does.`;
}
