import type { Environment } from "../../shared/names.ts";
import { backendDeployment, backendName, noBackend } from "../backend-deployment.ts";
import { desiredImage, overlayPath } from "../desired-image.ts";
import { imageChanges } from "../held-rollback.ts";
import { formatImage, isImmutableTag, sameImage, type ImageReference } from "../image-reference.ts";
import { factOf, getLive, ImagePolicy } from "../live-objects.ts";
import { notReady } from "../readiness.ts";
import { reversals } from "../reverts.ts";
import type { CheckContext, EvidenceCheck } from "../types.ts";

/**
 * In each environment the policy's choice is an immutable tag with a digest, and Git and the Deployment say the same; or a
 * revert took Git back from that very choice, and the Deployment follows Git.
 */
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
      const tags = looks.map(({ environment, selected, inGit, rolledBackBy }) =>
        rolledBackBy
          ? `${environment} ${inGit?.tag} (rolled back by ${rolledBackBy}; the policy's choice ${selected?.tag} is held back)`
          : `${environment} ${selected?.tag}`,
      );
      return { status: "pass", basis: "live", observed: tags.join(", "), facts };
    }
    return {
      status: "fail",
      basis: "live",
      expected: "in each environment one immutable tag and digest, the same in the ImagePolicy, in Git and in the Deployment",
      observed: problems.join("\n"),
      hint:
        "Compare `flux get images all -A` with `images` in flux/apps/backend/<env>/kustomization.yaml. " +
        "A rollback is a `git revert` of the commit that brought the image; another way back leaves policy and Git apart.",
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
  const rolledBackBy = selected && inGit && (await rollback(git, environment, selected, inGit));
  return {
    environment,
    selected,
    inGit,
    rolledBackBy,
    inCluster: deployment?.image,
    objects: [policy, deployment?.object].flatMap((object) => (object ? factOf(object) : [])),
    problem: policy
      ? (notReady(policy) ?? compare(environment, repository, selected, inGit, deployment?.image, rolledBackBy !== undefined))
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
  isRolledBack: boolean,
): string | undefined {
  const policy = `ImagePolicy ${environment}/${backendName}`;
  if (!selected?.tag) return `${policy} has selected no image.`;
  if (selected.repository !== repository) return `${policy} selects from ${selected.repository}, not from ${repository}.`;
  if (!isImmutableTag(selected.tag, environment)) {
    return `${policy} selected ${selected.tag}, which is no immutable tag of ${environment}: it can be moved or belongs elsewhere.`;
  }
  if (!selected.digest) return `${policy} selected ${selected.tag} without a digest.`;
  if (!inGit) return `${overlayPath(environment)} in Git names no image of ${repository}.`;
  if (!isRolledBack && !sameImage(selected, inGit)) {
    return `${policy} selected ${formatImage(selected)}, Git says ${formatImage(inGit)}.`;
  }
  if (!inCluster) return noBackend(environment, repository);
  if (!sameImage(inGit, inCluster)) {
    return `Git says ${formatImage(inGit)}, Deployment ${environment}/${backendName} says ${formatImage(inCluster)}.`;
  }
  return undefined;
}

/** The revert that took an environment from the policy's choice to what Git says now; undefined where it was none. */
async function rollback(
  git: CheckContext["git"],
  environment: Environment,
  selected: ImageReference,
  inGit: ImageReference,
): Promise<string | undefined> {
  if (sameImage(selected, inGit) || !inGit.tag || !inGit.digest || !isImmutableTag(inGit.tag, environment)) return undefined;
  const changes = await imageChanges(git, environment, selected.repository);
  const [newest] = changes;
  if (newest === undefined || !reversals(changes).has(newest)) return undefined;
  return sameImage(newest.from, selected) && sameImage(newest.to, inGit) ? newest.commit : undefined;
}
