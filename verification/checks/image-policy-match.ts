import type { Environment } from "../../shared/names.ts";
import { backendDeployment, backendName, noBackend } from "../backend-deployment.ts";
import { desiredImage, overlayPath } from "../desired-image.ts";
import { formatImage, isImmutableTag, sameImage, type ImageReference } from "../image-reference.ts";
import { factOf, getLive, ImagePolicy } from "../live-objects.ts";
import { notReady } from "../readiness.ts";
import type { CheckContext, EvidenceCheck } from "../types.ts";

/** In each environment the policy's choice is an immutable tag with a digest, and Git and the Deployment say the same. */
export const imagePolicyMatch: EvidenceCheck = {
  id: "image-policy-match",
  title: "Image policy match",
  command: "flux get image policy -A",

  async run(context) {
    const head = await context.git.head();
    const looks = await Promise.all(context.environments.map((environment) => look(context, head, environment)));
    const problems = looks.flatMap(({ problem }) => problem ?? []);
    const facts = { head, environments: looks.map(({ problem: _, ...fact }) => fact) };

    if (problems.length === 0) {
      const tags = looks.map(({ environment, selected }) => `${environment} ${selected?.tag}`);
      return { status: "pass", basis: "live", observed: tags.join(", "), facts };
    }
    return {
      status: "fail",
      basis: "live",
      expected: "in each environment one immutable tag and digest, the same in the ImagePolicy, in Git and in the Deployment",
      observed: problems.join("\n"),
      hint:
        "Compare `flux get images all -A` with `images` in flux/apps/backend/<env>/kustomization.yaml. " +
        "After a rollback, narrow the policy so that it selects the image you went back to.",
      facts,
    };
  },
};

async function look({ kube, git, learner }: CheckContext, head: string, environment: Environment) {
  const { repository } = learner.registry;
  const [policy, inGit, deployment] = await Promise.all([
    getLive(kube, ImagePolicy, environment, backendName),
    desiredImage(git, head, environment, repository),
    backendDeployment(kube, environment, repository),
  ]);
  const latest = policy?.status.latestRef;
  const selected: ImageReference | undefined = latest && { repository: latest.name, tag: latest.tag, digest: latest.digest };
  return {
    environment,
    selected,
    inGit,
    inCluster: deployment?.image,
    objects: [policy, deployment?.object].flatMap((object) => (object ? factOf(object) : [])),
    problem: policy
      ? (notReady(policy) ?? compare(environment, repository, selected, inGit, deployment?.image))
      : `ImagePolicy ${environment}/${backendName} does not exist.`,
  };
}

/** What is wrong between the three places that name an environment's image; undefined when they agree. */
function compare(
  environment: Environment,
  repository: string,
  selected: ImageReference | undefined,
  inGit: ImageReference | undefined,
  inCluster: ImageReference | undefined,
): string | undefined {
  const policy = `ImagePolicy ${environment}/${backendName}`;
  if (!selected?.tag) return `${policy} has selected no image.`;
  if (selected.repository !== repository) return `${policy} selects from ${selected.repository}, not from ${repository}.`;
  if (!isImmutableTag(selected.tag, environment)) {
    return `${policy} selected ${selected.tag}, which is no immutable tag of ${environment}: it can be moved or belongs elsewhere.`;
  }
  if (!selected.digest) return `${policy} selected ${selected.tag} without a digest.`;
  if (!inGit) return `${overlayPath(environment)} in Git names no image of ${repository}.`;
  if (!sameImage(selected, inGit)) {
    return `${policy} selected ${formatImage(selected)}, Git says ${formatImage(inGit)}.`;
  }
  if (!inCluster) return noBackend(environment, repository);
  if (!sameImage(selected, inCluster)) {
    return `${policy} selected ${formatImage(selected)}, Deployment ${environment}/${backendName} says ${formatImage(inCluster)}.`;
  }
  return undefined;
}
