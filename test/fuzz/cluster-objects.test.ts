import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundPod, podStatus, refusedStatus, says } from "../../host/lab-host-node/pod-status.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { promotedBy } from "../../verification/bundle/promoted.ts";
import { backendDeployment } from "../../verification/backend-deployment.ts";
import { lookAtRollback } from "../../verification/held-rollback.ts";
import {
  Deployment,
  FluxObject,
  getLive,
  GitRepository,
  ImagePolicy,
  ImageRepository,
  ImageUpdateAutomation,
  Kustomization,
  Node,
  Pod,
  ReplicaSet,
} from "../../verification/live-objects.ts";
import { notReady, waitingFor } from "../../verification/readiness.ts";
import { lookAtRollout } from "../../verification/rollout.ts";
import { runChecks } from "../../verification/verify.ts";
import { answerOf, expectShown, forEvery, nothingIsMade } from "../support/hostile/soundness.ts";
import { bentObject } from "../support/hostile/text.ts";
import { type Json, LabState, repository } from "../support/lab-state.ts";

nothingIsMade();

const lab = new LabState();
const kinds = [Deployment, GitRepository, ImagePolicy, ImageRepository, ImageUpdateAutomation, Kustomization, Node, Pod, ReplicaSet];
const some = kinds.flatMap(({ kind }) => lab.objects.find((object) => object["kind"] === kind) ?? []);

test("an object of the cluster is one, or is refused with its name", async () => {
  await forEvery(bentObject<Json>(...some), async (object) => {
    const kube = { get: async () => object, list: async () => [object] };
    for (const kind of kinds) {
      if ((object as Json | null)?.["kind"] !== kind.kind) continue;
      const live = await answerOf(`getLive ${kind.kind}`, () => getLive(kube, kind, "production", "backend"));
      if (live === undefined || live instanceof Error) continue;
      const flux = FluxObject.safeParse(object);
      if (!flux.success) continue;
      await answerOf("notReady", () => notReady(flux.data));
      await answerOf("waitingFor", () => waitingFor([live], []));
    }
    const deployment = await answerOf("backendDeployment", () => backendDeployment(kube, "production", repository));
    if (deployment !== undefined && "container" in deployment) await answerOf("promotedBy", () => promotedBy(deployment));
  });
});

test("the checks answer, whatever one object of the lab says", async () => {
  const states = [new LabState()];
  const [state] = states;
  const place = fc.nat({ max: state!.objects.length - 1 });
  const change = place.chain((index) => fc.tuple(fc.constant(index), bentObject<Json>(state!.objects[index]!)));
  await forEvery(
    change,
    async ([index, object]) => {
      const bent = new LabState();
      // What has no kind is in no list.
      const { apiVersion, kind } = bent.objects[index]!;
      if (typeof object === "object" && object !== null && !Array.isArray(object)) bent.objects[index] = { ...object, apiVersion, kind };
      // It awaits what is in progress.
      const evidence = gitopsPromotion.evidence.filter(({ id }) => id !== "reconcile-success");
      for (const { id, result } of await runChecks(evidence, bent.context())) expectShown(id, result);
      for (const environment of ["staging", "production"] as const) {
        await answerOf("lookAtRollout", () => lookAtRollout(bent.context(), environment));
        await answerOf("lookAtRollback", () => lookAtRollback(bent.context(), environment));
      }
    },
    { numRuns: 1500 },
  );
});

const bound = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "p",
    namespace: "flux-system",
    uid: "u",
    resourceVersion: "7",
    creationTimestamp: "2026-11-02T10:00:00Z",
    labels: { app: "x" },
  },
  spec: { containers: [{ name: "manager", image: "x" }] },
  status: {
    phase: "Running",
    startTime: "2026-11-02T10:00:00Z",
    conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-11-02T10:00:00Z" }],
    containerStatuses: [
      {
        containerID: "process://b/1/2",
        state: { running: { startedAt: "2026-11-02T10:00:00Z" } },
        lastState: { terminated: { finishedAt: "2026-11-02T10:00:00Z" } },
      },
    ],
  },
};

test("a pod on the lab host's node is one, and its status can be told", async () => {
  const now = new Date("2026-11-02T11:00:00Z");
  const process = {
    state: "running",
    restarts: 1,
    identity: { bootId: "b", pid: 1, startTime: 2 },
    lastExit: { at: now.toISOString(), reason: "exit code 1" },
  };
  await forEvery(bentObject<object>(bound), async (object) => {
    const parsed = BoundPod.safeParse(object);
    if (!parsed.success) return;
    for (const status of [
      await answerOf("podStatus", () => podStatus(parsed.data, process as unknown as Parameters<typeof podStatus>[1], now)),
      await answerOf("refusedStatus", () => refusedStatus(parsed.data, { reason: "x", message: "y" }, now)),
    ]) {
      if (status instanceof Error) throw status;
      const told = await answerOf("says", () => says(parsed.data, status));
      expect(told).toBeTypeOf("boolean");
    }
  });
});
