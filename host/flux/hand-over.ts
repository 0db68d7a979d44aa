import { fluxNamespace, type Environment } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import type { Look } from "../../shared/wait.ts";
import { backendName } from "../../verification/backend-deployment.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { gitReader } from "../../verification/git-reader.ts";
import { parseImage } from "../../verification/image-reference.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";
import { Deployment, getLive, GitRepository, ImagePolicy, Kustomization, listLive } from "../../verification/live-objects.ts";
import { requiredKustomizations, waitingFor } from "../../verification/readiness.ts";
import { incomplete } from "../../verification/rollout.ts";

/** The state in which a lab is handed to its learner. */
export interface HandOver {
  readonly environments: LearnerOutputs["environments"];
  /** The commit that last changed production's image. */
  readonly rollbackSha: string;
}

/**
 * Whether everything is Ready at the branch's tip, the policies are resolved, and image automation has committed its
 * first update of every environment and it runs. In a lab that was handed over before, learners' own changes count too.
 */
export async function lookAtHandOver(
  kube: KubeReader,
  repository: LearnerOutputs["git"],
  order: readonly Environment[],
): Promise<Look<HandOver>> {
  const [source, kustomizations, policies] = await Promise.all([
    getLive(kube, GitRepository, fluxNamespace, "flux-system"),
    listLive(kube, Kustomization, fluxNamespace),
    Promise.all(order.map((namespace) => listLive(kube, ImagePolicy, namespace))),
  ]);
  const waiting = waitingFor(
    [...(source === undefined ? [] : [source]), ...kustomizations, ...policies.flat()],
    [
      { kind: "GitRepository", namespace: fluxNamespace, name: "flux-system" },
      ...requiredKustomizations(order).map((name) => ({ kind: "Kustomization", namespace: fluxNamespace, name })),
      ...order.map((namespace) => ({ kind: "ImagePolicy", namespace, name: backendName })),
    ],
  );
  if (waiting.length > 0) return notYet(...waiting);

  await using git = gitReader(repository, AbortSignal.timeout(20_000));
  const tip = `${repository.branch}@sha1:${await git.head()}`;
  const seen = [
    ["GitRepository flux-system", source?.status.artifact?.revision],
    ...kustomizations.map(({ metadata, status }) => [`Kustomization ${metadata.name}`, status.lastAppliedRevision]),
  ];
  const behind = seen
    .filter(([, revision]) => revision !== tip)
    .map(([name, revision]) => `${name} is at ${revision}, the branch at ${tip}.`);
  if (behind.length > 0) return notYet(...behind);

  const environments: LearnerOutputs["environments"] = [];
  let rollbackSha = "";
  for (const name of order) {
    const [last, ...before] = await git.log(overlayPath(name));
    // The seed is one commit; image automation's first is the second.
    if (last === undefined || before.length === 0) return notYet(`Image automation has not yet committed the newest image of ${name}.`);
    if (name === "production") rollbackSha = last.id;
    const deployment = await getLive(kube, Deployment, name, backendName);
    if (deployment === undefined) return notYet(`There is no Deployment ${name}/${backendName}.`);
    const trouble = incomplete(deployment, [], deployment.status.availableReplicas);
    if (trouble !== undefined) return notYet(trouble);
    const { tag, digest } = parseImage(deployment.spec.template.spec.containers[0]?.image ?? "");
    if (tag === undefined || digest === undefined) return notYet(`The Deployment of ${name} names no tag and digest.`);
    environments.push({ name, namespace: name, tag, digest });
  }
  return { done: true, value: { environments, rollbackSha } };
}

function notYet(...sentences: string[]): { readonly done: false; readonly because: string } {
  return { done: false, because: sentences.join(" ") };
}
