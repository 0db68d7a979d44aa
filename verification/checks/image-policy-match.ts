import type { Environment } from "../../shared/names.ts";
import { isOnLabHost } from "../../shared/on-lab-host.ts";
import { backendDeployment, backendName, noBackend } from "../backend-deployment.ts";
import { desiredImage, overlayPath } from "../desired-image.ts";
import { requiredSeconds } from "../held-rollback.ts";
import { formatImage, isImmutableTag, sameImage, type ImageReference } from "../image-reference.ts";
import { factOf, getLive, ImagePolicy } from "../live-objects.ts";
import { parseRecord, recordPath } from "../promotion-record.ts";
import { notReady } from "../readiness.ts";
import { standingOf } from "../standing.ts";
import type { CheckContext, EvidenceCheck } from "../types.ts";

/**
 * In each environment the policy's choice is an immutable tag with a digest, and Git and the Deployment say the same; or the
 * branch has good reason to ask for another image (`Difference`), and the Deployment follows Git.
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
      const tags = looks.map(({ environment, selected, inGit, difference }) =>
        difference === undefined ? `${environment} ${selected?.tag}` : `${environment} ${inGit?.tag} (${inWords(difference, selected)})`,
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
        "A rollback goes back to an image that the environment had, as `git revert` does; anything else leaves policy and Git apart.",
      facts,
    };
  },
};

function inWords(difference: Difference, selected: ImageReference | undefined): string {
  switch (difference.kind) {
    case "rolled-back":
      return `rolled back by ${difference.by}; the policy's choice ${selected?.tag} is held back`;
    case "under-way":
      return `the policy's choice ${selected?.tag} is on its way`;
    case "not-asked":
      return `the policy's choice ${selected?.tag} is not asked for any more`;
  }
}

async function look(context: CheckContext, head: string, environment: Environment) {
  const { kube, git, learner } = context;
  const { repository } = learner.registry;
  const [policy, inGit, deployment] = await Promise.all([
    getLive(kube, ImagePolicy, environment, backendName),
    desiredImage(git, head, environment, repository),
    backendDeployment(kube, environment, repository),
  ]);
  const latest = policy?.status.latestRef;
  const selected: ImageReference | undefined = latest && { repository: latest.name, tag: latest.tag, digest: latest.digest };
  const difference = selected && inGit && (await differenceOf(context, environment, selected, inGit));
  return {
    environment,
    selected,
    inGit,
    difference,
    inCluster: deployment?.image,
    objects: [policy, deployment?.object].flatMap((object) => (object ? factOf(object) : [])),
    problem: policy
      ? (notReady(policy) ?? compare(environment, repository, selected, inGit, deployment?.image, difference !== undefined))
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
  isExplained: boolean,
): string | undefined {
  const policy = `ImagePolicy ${environment}/${backendName}`;
  if (!selected?.tag) return `${policy} has selected no image.`;
  if (selected.repository !== repository) return `${policy} selects from ${selected.repository}, not from ${repository}.`;
  if (!isImmutableTag(selected.tag, environment)) {
    return `${policy} selected ${selected.tag}, which is no immutable tag of ${environment}: it can be moved or belongs elsewhere.`;
  }
  if (!selected.digest) return `${policy} selected ${selected.tag} without a digest.`;
  if (!inGit) return `${overlayPath(environment)} in Git names no image of ${repository}.`;
  if (!isExplained && !sameImage(selected, inGit)) {
    return `${policy} selected ${formatImage(selected)}, Git says ${formatImage(inGit)}.`;
  }
  if (!inCluster) return noBackend(environment, repository);
  if (!sameImage(inGit, inCluster)) {
    return `Git says ${formatImage(inGit)}, Deployment ${environment}/${backendName} says ${formatImage(inCluster)}.`;
  }
  return undefined;
}

/** Why Git may say another image than the policy's choice. */
type Difference =
  | { readonly kind: "rolled-back"; readonly by: string }
  /** The pipeline has just made the tag, and image automation has had no time to bring it. */
  | { readonly kind: "under-way" }
  /** The pipeline made the tag for a request that the record has taken back. */
  | { readonly kind: "not-asked" };

/** What was tagged is on its way for two intervals of image automation, and for so many seconds at least. */
const secondsUnderWay = 60;

async function differenceOf(
  context: CheckContext,
  environment: Environment,
  selected: ImageReference,
  inGit: ImageReference,
): Promise<Difference | undefined> {
  if (sameImage(selected, inGit) || !inGit.tag || !inGit.digest || !isImmutableTag(inGit.tag, environment)) return undefined;
  const { kind, latest, promotion } = await standingOf(context, environment);
  if (kind === "rolled-back" && latest && promotion && sameImage(selected, promotion.to)) return { kind: "rolled-back", by: latest.commit };
  if (kind === "unknown" || !isOnLabHost(context.learner.git)) return undefined;
  return madeByPipeline(context, environment, selected);
}

/** By the journal, which nobody but the pipeline writes. */
async function madeByPipeline(
  context: CheckContext,
  environment: Environment,
  { tag, digest }: ImageReference,
): Promise<Difference | undefined> {
  const { git, environments } = context;
  const made = [...(await git.journal()).values()]
    .flat()
    .find((entry) => (entry.event === "built" || entry.event === "promoted") && entry.tag === tag && entry.digest === digest);
  if (made === undefined) return undefined;
  if (environment !== environments[0]) {
    const { head } = await standingOf(context, environment);
    const record = parseRecord((await git.readFile(head, recordPath(environment))) ?? "");
    if ("record" in record && record.record.digest !== digest) return { kind: "not-asked" };
  }
  const age = (Date.now() - Date.parse(made.at)) / 1000;
  const limit = Math.max(secondsUnderWay, await requiredSeconds(context, environment));
  return age >= 0 && age < limit ? { kind: "under-way" } : undefined;
}
