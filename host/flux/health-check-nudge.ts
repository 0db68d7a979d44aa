import { fluxNamespace, type Environment } from "../../shared/names.ts";
import { backendName } from "../../verification/backend-deployment.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";
import { Deployment, getLive, Kustomization } from "../../verification/live-objects.ts";
import { appsKustomization } from "../../verification/readiness.ts";
import { incomplete } from "../../verification/rollout.ts";
import type { ClusterClient } from "../kubernetes/client.ts";
import { fluxKustomization } from "./objects.ts";

/**
 * kustomize-controller looks at the health of what it applied every five seconds, fixed in its code, so three
 * environments in a row cost fifteen. With the feature gate CancelHealthCheckOnNewRevision a reconcile request ends the
 * pause: this asks for one when a rollout is complete that a health check still waits for, once per rollout, since each
 * request starts the check anew.
 */
export function healthCheckNudge(cluster: ClusterClient): (kube: KubeReader, order: readonly Environment[]) => Promise<void> {
  const asked = new Set<string>();
  return async (kube, order) => {
    for (const environment of order) {
      const [kustomization, deployment] = await Promise.all([
        getLive(kube, Kustomization, fluxNamespace, appsKustomization(environment)),
        getLive(kube, Deployment, environment, backendName),
      ]);
      const checking = kustomization?.status.conditions.some(({ type, status }) => type === "Healthy" && status === "Unknown");
      if (!checking || deployment === undefined || incomplete(deployment, [], deployment.status.availableReplicas) !== undefined) continue;
      const rollout = `${environment} ${deployment.metadata.uid} ${deployment.metadata.generation}`;
      if (asked.has(rollout)) continue;
      asked.add(rollout);
      await cluster.requestReconcile(fluxKustomization(appsKustomization(environment)));
    }
  };
}
