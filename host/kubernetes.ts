import { KubeConfig, KubernetesObjectApi, PatchStrategy, type KubernetesObject } from "@kubernetes/client-node";
import { messageOf } from "../shared/errors.ts";
import type { Look } from "../shared/wait.ts";

/** The few writes that the lab itself makes in a learner's cluster; everything else is Pulumi's or Git's. */
export interface ClusterClient {
  /** Server-side apply as field manager `gitops-lab`. */
  apply(object: KubernetesObject): Promise<void>;
  /** Asks a Flux controller to reconcile the object now, the way `flux reconcile` does. */
  requestReconcile(apiVersion: string, kind: string, namespace: string, name: string): Promise<void>;
  /** Whether the API server says it is ready, and if not why. */
  lookReady(): Promise<Look<undefined>>;
}

const fieldManager = "gitops-lab";

/** A client for the cluster that the kubeconfig (YAML text) names. */
export function clusterClient(kubeconfig: string): ClusterClient {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const api = KubernetesObjectApi.makeApiClient(config);
  return {
    async apply(object) {
      await api.patch(object, undefined, undefined, fieldManager, true, PatchStrategy.ServerSideApply);
    },
    async requestReconcile(apiVersion, kind, namespace, name) {
      const annotations = { "reconcile.fluxcd.io/requestedAt": new Date().toISOString() };
      const patch = { apiVersion, kind, metadata: { namespace, name, annotations } };
      await api.patch(patch, undefined, undefined, fieldManager, undefined, PatchStrategy.MergePatch);
    },
    async lookReady() {
      try {
        // A namespace that the API server makes itself, after its start-up hooks.
        await api.read({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
        return { done: true, value: undefined };
      } catch (error) {
        return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
      }
    },
  };
}
