import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { messageOf } from "../../shared/errors.ts";
import { componentLabel } from "../../shared/flux-labels.ts";
import type { Properties } from "../../shared/json.ts";
import { UnreachableError, type KubeApi } from "../../shared/kube-api.ts";
import { fluxNamespace } from "../../shared/names.ts";
import { fluxControllerNames, type FluxController } from "../../tools/manifest.ts";
import { labHostNode } from "./name.ts";
import { newNode, nodeStatus } from "./node-object.ts";
import { startOf } from "../../ledger/process-identity.ts";
import { BoundPod, hasProcess, podStatus, refusedStatus, says, type PodStatus } from "./pod-status.ts";
import type { Supervisor } from "../processes/supervisor.ts";
import { log } from "../log.ts";

/** With the 50 s after which the controllers hold a node for lost, one renewal may fail. */
const renewMs = 20_000;
const leaseSeconds = 40;
/** How long one watch lasts. At its end the node's status is told anew, as kubelets do every five minutes. */
const watchSeconds = 300;
const retryMs = 2000;

const nodePath = `/api/v1/nodes/${labHostNode}`;
const leasesPath = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const podsPath = `/api/v1/pods?fieldSelector=spec.nodeName%3D${labHostNode}`;

const PodList = z.object({ metadata: z.object({ resourceVersion: z.string() }), items: z.array(BoundPod) });
const Registered = z.looseObject({
  metadata: z.looseObject({ uid: z.string() }),
  status: z.looseObject({ conditions: z.array(z.record(z.string(), z.string())).default([]) }).default({ conditions: [] }),
});

/**
 * The kubelet of the node that stands for the lab host in one learner's cluster. Its pods are the Flux controllers, which
 * the supervisor runs as processes: a pod's status is the process's, a pod that is deleted ends it, and a new pod starts it
 * again. Nothing waits for a pod to start a process for the first time, so Flux does not depend on any of this.
 */
export class LabHostNode {
  readonly #api: KubeApi;
  readonly #learner: string;
  readonly #supervisor: Supervisor;
  readonly #end = new AbortController();
  /** By uid. */
  #pods = new Map<string, BoundPod>();
  /** Uids of pods that were deleted here; what is still told of them is of before. */
  readonly #deleted = new Set<string>();
  /** Controllers whose pod went without asking. */
  readonly #bereft = new Set<FluxController>();
  /** Aborted where the connection is to be made anew. */
  #connection = new AbortController();
  #isDue = false;
  #working: Promise<void> | undefined;
  #lastTold = "";

  /** @param api as `system:node:lab-host` */
  constructor(api: KubeApi, learner: string, supervisor: Supervisor) {
    this.#api = api;
    this.#learner = learner;
    this.#supervisor = supervisor;
  }

  /** Keeps node and pods true until `stop`. Never rejects: an API server that is not there yet, or no more, is tried again. */
  async run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      this.#connection = new AbortController();
      const signal = AbortSignal.any([this.#end.signal, this.#connection.signal]);
      try {
        await this.#register();
        await Promise.race([this.#keepLease(signal), this.#follow(signal)]);
      } catch (error) {
        this.#tell(error);
        await delay(retryMs, undefined, { signal: this.#end.signal }).catch(() => undefined);
      } finally {
        this.#connection.abort();
      }
    }
  }

  /** What its processes do goes on; the cluster finds the node lost when the lease runs out. */
  stop(): void {
    this.#end.abort();
  }

  /** Looks at pods and processes again, soon. */
  refresh(): void {
    this.#isDue = true;
    // Not at once: a look that changes a process is told of it, and must find that it is looking.
    this.#working ??= Promise.resolve()
      .then(() => this.#work())
      .finally(() => {
        this.#working = undefined;
        // Asked for when the last look was over already.
        if (this.#isDue && !this.#end.signal.aborted) this.refresh();
      });
  }

  async #register(): Promise<void> {
    const found = await this.#api.send({ method: "GET", path: nodePath });
    const node = Registered.parse(found ?? (await this.#api.send({ method: "POST", path: "/api/v1/nodes", body: newNode() })));
    await this.#api.send({
      method: "PATCH",
      path: `${nodePath}/status`,
      contentType: "application/strategic-merge-patch+json",
      body: { status: nodeStatus(node.status.conditions.find(({ type }) => type === "Ready")) },
    });
    if (await this.#renew()) return;
    const owner = { apiVersion: "v1", kind: "Node", name: labHostNode, uid: node.metadata.uid };
    const spec = { holderIdentity: labHostNode, leaseDurationSeconds: leaseSeconds, renewTime: renewTime() };
    await this.#api.send({
      method: "POST",
      path: leasesPath,
      body: {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: labHostNode, ownerReferences: [owner] },
        spec,
      },
    });
  }

  /** Whether there was a lease to renew: it goes with the node. */
  async #renew(): Promise<boolean> {
    const body = { spec: { renewTime: renewTime() } };
    const path = `${leasesPath}/${labHostNode}`;
    return (await this.#api.send({ method: "PATCH", path, contentType: "application/merge-patch+json", body })) !== undefined;
  }

  /** Returns when the node is to be registered anew: it was deleted, or the machine slept and the cluster holds it for lost. */
  async #keepLease(signal: AbortSignal): Promise<void> {
    for (;;) {
      const before = performance.now();
      await delay(renewMs, undefined, { signal });
      if (!(await this.#renew()) || performance.now() - before > 2 * renewMs) return;
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { metadata, items } = PodList.parse((await this.#api.send({ method: "GET", path: podsPath })) ?? {});
    const present = new Map(items.flatMap((pod) => (this.#deleted.has(pod.metadata.uid) ? [] : [[pod.metadata.uid, pod]])));
    for (const [uid, pod] of this.#pods) if (!present.has(uid)) this.#gone(pod);
    this.#pods = present;
    this.refresh();
    const path = `${podsPath}&watch=true&resourceVersion=${metadata.resourceVersion}&timeoutSeconds=${watchSeconds}`;
    for await (const { type, object } of this.#api.watch(path, signal)) {
      const pod = BoundPod.parse(object);
      const { uid } = pod.metadata;
      if (this.#deleted.has(uid)) continue;
      if (type === "DELETED") {
        this.#pods.delete(uid);
        this.#gone(pod);
      } else this.#pods.set(uid, pod);
      this.refresh();
    }
  }

  #gone(pod: BoundPod): void {
    const controller = controllerOf(pod);
    if (controller !== undefined && hasProcess(pod)) this.#bereft.add(controller);
  }

  async #work(): Promise<void> {
    while (this.#isDue && !this.#end.signal.aborted) {
      this.#isDue = false;
      try {
        for (const controller of fluxControllerNames) await this.#settle(controller);
        for (const pod of this.#podsOf(undefined))
          await (isEnding(pod) ? this.#delete(pod) : this.#say(pod, refusedStatus(pod, foreign, new Date())));
      } catch (error) {
        this.#tell(error);
        // It begins anew from what the API server has then.
        this.#connection.abort();
      }
    }
  }

  async #settle(controller: FluxController): Promise<void> {
    const name = `${this.#learner}/${controller}`;
    const pods = this.#podsOf(controller);
    const [holder, ...others] = pods.filter((pod) => !isEnding(pod)).toSorted(byClaim);
    const ending = pods.filter(isEnding);
    if (this.#bereft.delete(controller) || ending.some(hasProcess)) await this.#supervisor.letGo(name);
    for (const pod of ending) await this.#delete(pod);
    if (holder !== undefined) {
      if (this.#supervisor.statusOf(name)?.state === "awaiting-pod") await this.#supervisor.takeUp(name);
      const process = this.#supervisor.statusOf(name);
      const startedAt = process?.identity && startOf(process.identity);
      const now = new Date();
      await this.#say(
        holder,
        process === undefined
          ? refusedStatus(holder, noProcess, now)
          : podStatus(holder, { ...process, ...(startedAt && { startedAt }) }, now),
      );
    }
    for (const pod of others) await this.#say(pod, refusedStatus(pod, taken, new Date()));
  }

  #podsOf(controller: FluxController | undefined): BoundPod[] {
    return [...this.#pods.values()].filter((pod) => controllerOf(pod) === controller);
  }

  async #say(pod: BoundPod, status: PodStatus): Promise<void> {
    if (says(pod, status)) return;
    // A merge keeps the reason of before where none is given.
    const conditions = status.conditions.map((condition) => ({ reason: null, ...condition }));
    const answer = await this.#api.send({
      method: "PATCH",
      path: `${pathOf(pod)}/status`,
      contentType: "application/strategic-merge-patch+json",
      // With the uid no other pod of that name is written to.
      body: { metadata: { uid: pod.metadata.uid }, status: { ...status, conditions } as unknown as Properties },
    });
    if (answer !== undefined && this.#pods.has(pod.metadata.uid)) this.#pods.set(pod.metadata.uid, BoundPod.parse(answer));
  }

  async #delete(pod: BoundPod): Promise<void> {
    const { uid } = pod.metadata;
    this.#deleted.add(uid);
    this.#pods.delete(uid);
    const body = { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0, preconditions: { uid } };
    try {
      await this.#api.send({ method: "DELETE", path: pathOf(pod), body });
    } catch (error) {
      this.#deleted.delete(uid);
      throw error;
    }
  }

  /** Once for each trouble; an API server that is down is no news. */
  #tell(error: unknown): void {
    const text = messageOf(error).split("\n")[0] ?? "";
    const isExpected = error instanceof UnreachableError || this.#connection.signal.aborted || this.#end.signal.aborted;
    if (isExpected || text === this.#lastTold) return;
    this.#lastTold = text;
    log("warn", `node ${labHostNode}: ${text}`, { learner: this.#learner });
  }
}

const foreign = {
  reason: "NotOnLabHost",
  message: "the node lab-host stands for the lab's host, where nothing but the Flux controllers runs",
};
const taken = { reason: "ProcessTaken", message: "the controller is one process of the lab host, and another pod stands for it" };
const noProcess = { reason: "NoProcess", message: "the lab host has no such process; `./lab up` makes it" };

const isEnding = ({ metadata }: BoundPod) => metadata.deletionTimestamp !== undefined;
const pathOf = ({ metadata }: BoundPod) => `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;

/** First who has the process, then who came first. */
function byClaim(one: BoundPod, other: BoundPod): number {
  return (
    Number(hasProcess(other)) - Number(hasProcess(one)) || one.metadata.creationTimestamp.localeCompare(other.metadata.creationTimestamp)
  );
}

function controllerOf({ metadata }: BoundPod): FluxController | undefined {
  return metadata.namespace === fluxNamespace ? fluxControllerNames.find((name) => metadata.labels[componentLabel] === name) : undefined;
}

/** MicroTime of the API. */
function renewTime(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
