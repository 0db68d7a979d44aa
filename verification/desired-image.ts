import { z } from "zod";
import type { Environment } from "../shared/names.ts";
import { readYaml } from "../shared/yaml.ts";
import type { GitReader } from "./git-reader.ts";
import type { ImageReference } from "./image-reference.ts";

const Overlay = z.object({
  images: z.array(
    z.object({ name: z.string(), newName: z.string().optional(), newTag: z.string().optional(), digest: z.string().optional() }),
  ),
});

/** The file in which an environment's image is written down. */
export function overlayPath(environment: Environment): string {
  return `flux/apps/backend/${environment}/kustomization.yaml`;
}

/**
 * The image that an environment gets at a commit (or tree). Undefined where the file is absent, is no kustomization, or
 * does not say exactly one thing about the repository: kustomize goes by all that it says, one after the other.
 */
export async function desiredImage(
  git: Pick<GitReader, "readFile">,
  treeish: string,
  environment: Environment,
  repository: string,
): Promise<ImageReference | undefined> {
  return imageIn((await git.readFile(treeish, overlayPath(environment))) ?? "", repository);
}

/** The image that an overlay's text gives a repository. */
export function imageIn(overlayText: string, repository: string): ImageReference | undefined {
  const yaml = readYaml(overlayText);
  // History may hold a broken file; that is no reason not to look further.
  const overlay = Overlay.safeParse("content" in yaml ? yaml.content : undefined);
  const images = overlay.data?.images.filter(({ name, newName }) => name === repository || newName === repository) ?? [];
  const [image] = images;
  if (image === undefined || images.length > 1 || (image.newName ?? image.name) !== repository) return undefined;
  return { repository, tag: image.newTag, digest: image.digest };
}
