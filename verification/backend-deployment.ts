import type { Environment } from "../shared/names.ts";
import { parseImage, type ImageReference } from "./image-reference.ts";
import type { KubeReader } from "./kube-reader.ts";
import { Deployment, getLive } from "./live-objects.ts";

/** The Deployment, ImageRepository and ImagePolicies of the app under promotion all have this name. */
export const backendName = "backend";

export interface BackendDeployment {
  readonly object: Deployment;
  readonly container: string;
  /** The image that its pod template asks for. */
  readonly image: ImageReference;
}

/** The sentence for where `backendDeployment` finds none. */
export function noBackend(environment: Environment, repository: string): string {
  return `No Deployment ${environment}/${backendName} runs an image of ${repository}.`;
}

/** The Deployment of an environment; undefined where it is absent or has no container of the learner's image. */
export async function backendDeployment(
  kube: KubeReader,
  environment: Environment,
  repository: string,
): Promise<BackendDeployment | undefined> {
  const object = await getLive(kube, Deployment, environment, backendName);
  for (const { name, image } of object?.spec.template.spec.containers ?? []) {
    const reference = parseImage(image);
    if (object && reference.repository === repository) return { object, container: name, image: reference };
  }
  return undefined;
}
