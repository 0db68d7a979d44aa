import { LabError } from "../shared/errors.ts";
import type { Environment } from "../shared/names.ts";
import { excerpt } from "../shared/printable.ts";
import { backendDeployment, noBackend, type BackendDeployment } from "./backend-deployment.ts";
import { imageIdDigest, type ImageReference } from "./image-reference.ts";
import { factOf, listLive, nameOf, Node, Pod, ReplicaSet } from "./live-objects.ts";
import type { RegistryReader } from "./registry-reader.ts";
import type { Basis, CheckContext } from "./types.ts";

/** What runs in one environment. */
export interface Rollout {
  readonly environment: Environment;
  /** The one digest that every Ready pod runs. Undefined where there is a problem. */
  readonly digest?: string;
  readonly problem?: string;
  /** What other containers of the environment run, those of other pods and those beside the backend in its own. */
  readonly beside: readonly { readonly pod: string; readonly digest: string }[];
  /** Nodes of the pods that were looked at. */
  readonly nodes: readonly string[];
  readonly objects: readonly ReturnType<typeof factOf>[];
}

/** What a look at a rollout needs to know of a learner's lab. */
export interface RolloutContext extends Pick<CheckContext, "kube" | "registry"> {
  readonly learner: { readonly registry: { readonly repository: string } };
}

/** Looks at the pods of a Deployment's current ReplicaSet. Throws where a Ready pod does not say what it runs. */
export async function lookAtRollout(context: RolloutContext, environment: Environment): Promise<Rollout> {
  const { kube, learner, registry } = context;
  const [deployment, replicaSets, allPods] = await Promise.all([
    backendDeployment(kube, environment, learner.registry.repository),
    listLive(kube, ReplicaSet, environment),
    listLive(kube, Pod, environment),
  ]);
  if (!deployment) {
    return { environment, problem: noBackend(environment, learner.registry.repository), beside: besides(allPods), nodes: [], objects: [] };
  }
  const { object, image } = deployment;
  const current = replicaSets.find(
    ({ metadata }) => isOwnedBy(metadata, object.metadata.uid) && metadata.annotations[revision] === object.metadata.annotations[revision],
  );
  const pods = allPods.filter(({ metadata }) => current && isOwnedBy(metadata, current.metadata.uid) && !metadata.deletionTimestamp);
  const ready = pods.filter((pod) => pod.status.conditions.some(({ type, status }) => type === "Ready" && status === "True"));
  const seen = {
    environment,
    beside: besides(allPods, pods, deployment.container),
    nodes: pods.flatMap(({ spec }) => spec.nodeName ?? []),
    objects: [object, ...(current ? [current] : []), ...pods].map(factOf),
  };

  const problem = incomplete(
    object,
    pods.flatMap((pod) => podTrouble(pod, deployment.container) ?? []),
    ready.length,
  );
  if (problem) return { ...seen, problem };

  const digests = new Set<string>();
  for (const pod of ready) digests.add(await asDeployed(registry, image, runningDigest(pod, deployment)));
  const [digest, ...others] = digests;
  if (others.length > 0) return { ...seen, problem: `The pods of ${nameOf(object)} run different images: ${[...digests].join(", ")}.` };
  if (image.digest && digest !== image.digest) {
    return { ...seen, problem: `${nameOf(object)} asks for ${image.digest}, but its pods run ${digest}.` };
  }
  return digest ? { ...seen, digest } : { ...seen, problem: `${nameOf(object)} has no Ready pod.` };
}

/** Simulated where the cohort says so or a pod sits on a node that no kubelet runs. */
export async function basisOf({ kube, learner }: CheckContext, rollouts: readonly Rollout[]): Promise<Basis> {
  if (learner.cluster.nodes === "simulated") return "simulated";
  const used = new Set(rollouts.flatMap(({ nodes }) => nodes));
  const nodes = await listLive(kube, Node);
  const simulated = nodes.some(
    ({ metadata }) => used.has(metadata.name) && (metadata.labels["type"] === "kwok" || "kwok.x-k8s.io/node" in metadata.annotations),
  );
  return simulated ? "simulated" : "live";
}

/** What containers run that are not the backend's in its pods. One that has not begun runs nothing yet. */
function besides(all: readonly Pod[], backend: readonly Pod[] = [], container?: string): Rollout["beside"] {
  return all.flatMap((pod) => {
    if (pod.metadata.deletionTimestamp) return [];
    const { containerStatuses, initContainerStatuses, ephemeralContainerStatuses } = pod.status;
    return [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].flatMap(({ name, imageID }) => {
      const digest = backend.includes(pod) && name === container ? undefined : imageIdDigest(imageID);
      return digest === undefined ? [] : [{ pod: nameOf(pod), digest }];
    });
  });
}

const revision = "deployment.kubernetes.io/revision";

function isOwnedBy({ ownerReferences }: Pod["metadata"], uid: string): boolean {
  return ownerReferences.some((owner) => owner.uid === uid);
}

/** Why a rollout is not complete, given how many of its pods are Ready; undefined when it is. */
export function incomplete(deployment: BackendDeployment["object"], troubles: readonly string[], ready: number): string | undefined {
  const { metadata, spec, status } = deployment;
  const name = nameOf(deployment);
  if (spec.replicas === 0) return `${name} is scaled to 0, so nothing runs.`;
  if (status.observedGeneration !== metadata.generation) return `${name} was changed and the change is not rolled out yet.`;
  const { replicas, updatedReplicas, availableReplicas } = status;
  if ([replicas, updatedReplicas, availableReplicas, ready].every((count) => count === spec.replicas)) return undefined;
  return [
    `${name} has ${availableReplicas} of ${spec.replicas} pods available, ${updatedReplicas} of them of the new version` +
      (replicas > updatedReplicas ? `, ${replicas - updatedReplicas} of an old one.` : "."),
    ...troubles,
  ].join(" ");
}

/** Why a pod is not ready, in the words of `kubectl get pods`; undefined when it is. */
function podTrouble(pod: Pod, containerName: string): string | undefined {
  const container = pod.status.containerStatuses.find(({ name }) => name === containerName);
  const name = nameOf(pod);
  if (container?.ready) return undefined;
  if (!container) {
    const scheduled = pod.status.conditions.find(({ type }) => type === "PodScheduled");
    return scheduled?.status === "False" ? `${name}: ${scheduled.reason}: ${scheduled.message}.` : `${name}: ${pod.status.phase}.`;
  }
  const { waiting, terminated } = container.state;
  const last = terminated ?? container.lastState.terminated;
  const before = last ? `last ended with ${last.reason}, exit code ${last.exitCode}` : undefined;
  if (waiting) return `${name}: ${[waiting.reason, before, waiting.message].filter(Boolean).join("; ")}.`;
  return `${name}: ${before ?? "running, but its readiness probe fails"}.`;
}

function runningDigest(pod: Pod, { container }: BackendDeployment): string {
  const imageId = pod.status.containerStatuses.find(({ name }) => name === container)?.imageID ?? "";
  const digest = imageIdDigest(imageId);
  if (digest) return digest;
  throw new LabError(
    "image-unknown",
    `${nameOf(pod)} is Ready but its imageID "${excerpt(imageId)}" names no digest, so nothing proves which image it runs. ` +
      `Look at \`kubectl get pod ${pod.metadata.name} -n ${pod.metadata.namespace} -o yaml\`.`,
  );
}

/**
 * Runtimes report the digest of the index or that of the platform's manifest. Where the running digest is a part of the
 * image that the Deployment asks for, this gives that image's digest, so that environments can be compared.
 */
async function asDeployed(registry: RegistryReader, image: ImageReference, running: string): Promise<string> {
  if (running === image.digest) return running;
  const reference = image.digest ?? image.tag;
  const manifest = reference ? await registry.manifest(reference) : undefined;
  return manifest?.parts.includes(running) ? manifest.digest : running;
}
