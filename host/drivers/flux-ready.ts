import { LabError, messageOf } from "../../shared/errors.ts";
import { fluxNamespace, type Environment } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { gitReader } from "../../verification/git-reader.ts";
import { kubeReader, type KubeReader } from "../../verification/kube-reader.ts";
import { Deployment, getLive, GitRepository, ImagePolicy, Kustomization, listLive } from "../../verification/live-objects.ts";
import { requiredKustomizations, waitingFor } from "../../verification/readiness.ts";
import { parseImage } from "../../verification/image-reference.ts";
import type { Driver } from "../driver.ts";

export interface FluxReadyInput {
  readonly learner: string;
  /** Another cluster is to be waited for anew. */
  readonly clusterId: string;
  readonly kubeconfig: string;
  readonly git: LearnerOutputs["git"];
  /** In the order of promotion. */
  readonly order: readonly Environment[];
  readonly timeoutSeconds: number;
}

export interface FluxReadyOutput {
  readonly environments: LearnerOutputs["environments"];
  readonly rollbackSha: string;
}

/**
 * Waits until Flux has brought the whole lab up: every Kustomization Ready at the branch's tip, every image policy
 * resolved, the first image updates committed by image automation and running. Changes nothing.
 */
export const fluxReady: Driver<FluxReadyInput, FluxReadyOutput> = {
  replaceOn: [],
  creationOnly: ["timeoutSeconds"],

  async ensure(input) {
    const kube = kubeReader(input.kubeconfig, AbortSignal.timeout((input.timeoutSeconds + 30) * 1000));
    try {
      const output = await waitUntil(() => look(input, kube), {
        what: `Flux to bring up the lab of learner ${input.learner}`,
        timeoutSeconds: input.timeoutSeconds,
        intervalMs: 300,
        remedy: "Run `./lab up` again to go on waiting.",
      });
      return { id: input.learner, output };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      throw new LabError(error.code, `${error.message}${await recentWarnings(kube, input.order)}`, { cause: error });
    }
  },

  async read(_id, output) {
    return output;
  },

  async remove() {},
};

async function look(input: FluxReadyInput, kube: KubeReader): Promise<Look<FluxReadyOutput>> {
  try {
    const waiting = await lookAtCluster(input, kube);
    return Array.isArray(waiting) ? { done: false, because: waiting.join(" ") } : { done: true, value: waiting };
  } catch (error) {
    return { done: false, because: `${messageOf(error).split("\n")[0]}` };
  }
}

/** The hand-over state, or the sentences that say what it still lacks. */
async function lookAtCluster(input: FluxReadyInput, kube: KubeReader): Promise<FluxReadyOutput | string[]> {
  const [source, kustomizations, policies] = await Promise.all([
    getLive(kube, GitRepository, fluxNamespace, "flux-system"),
    listLive(kube, Kustomization, fluxNamespace),
    listLive(kube, ImagePolicy),
  ]);
  const waiting = waitingFor(
    [...(source === undefined ? [] : [source]), ...kustomizations, ...policies],
    [
      { kind: "GitRepository", namespace: fluxNamespace, name: "flux-system" },
      ...requiredKustomizations(input.order).map((name) => ({ kind: "Kustomization", namespace: fluxNamespace, name })),
      ...input.order.map((namespace) => ({ kind: "ImagePolicy", namespace, name: "backend" })),
    ],
  );
  if (waiting.length > 0) return waiting;

  await using git = gitReader(input.git, AbortSignal.timeout(20_000));
  const tip = `${input.git.branch}@sha1:${await git.head()}`;
  const behind = [source, ...kustomizations].flatMap((object) => {
    const revision = object === undefined ? undefined : "artifact" in object.status ? object.status.artifact?.revision : "lastAppliedRevision" in object.status ? object.status.lastAppliedRevision : undefined;
    return object === undefined || revision === tip ? [] : [`${object.kind} ${object.metadata.name} is at ${revision}, the branch at ${tip}.`];
  });
  if (behind.length > 0) return behind;

  const output: { environments: LearnerOutputs["environments"]; rollbackSha: string } = { environments: [], rollbackSha: "" };
  for (const environment of input.order) {
    const commits = await git.log(overlayPath(environment));
    // One commit is the seed; the second is image automation's first.
    if (commits.length < 2) return [`Image automation has not yet committed the newest image of ${environment}.`];
    if (environment === "production") output.rollbackSha = commits[0]?.id ?? "";
    const deployment = await getLive(kube, Deployment, environment, "backend");
    const { replicas, updatedReplicas, availableReplicas, observedGeneration } = deployment?.status ?? {};
    const image = parseImage(deployment?.spec.template.spec.containers[0]?.image ?? "");
    if (image.tag === undefined || image.digest === undefined) return [`The Deployment of ${environment} names no tag and digest.`];
    if (replicas === 0 || updatedReplicas !== replicas || availableReplicas !== replicas || observedGeneration !== deployment?.metadata.generation) {
      return [`The Deployment of ${environment} has ${availableReplicas ?? 0} of ${replicas ?? 0} replicas available.`];
    }
    output.environments.push({ name: environment, namespace: environment, tag: image.tag, digest: image.digest });
  }
  return output;
}

/** The newest warnings that the cluster itself recorded, as a closing part of a message. */
async function recentWarnings(kube: KubeReader, namespaces: readonly string[]): Promise<string> {
  try {
    const events = (await Promise.all([fluxNamespace, ...namespaces].map((namespace) => kube.list("v1", "Event", namespace)))).flat() as {
      type?: string;
      lastTimestamp?: string;
      reason?: string;
      message?: string;
      involvedObject?: { kind?: string; name?: string };
    }[];
    const warnings = events
      .filter(({ type }) => type === "Warning")
      .sort((a, b) => (b.lastTimestamp ?? "").localeCompare(a.lastTimestamp ?? ""))
      .slice(0, 5)
      .map(({ involvedObject, reason, message }) => `${involvedObject?.kind} ${involvedObject?.name}: ${reason}: ${message}`);
    return warnings.length === 0 ? "" : ` The cluster's newest warnings: ${warnings.join(" | ")}`;
  } catch {
    return "";
  }
}
