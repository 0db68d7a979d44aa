import type { Policy } from "./policy.ts";

/**
 * The labels are no longer what holds pods (pods.ts does), but a barrier beside it. A namespace of an earlier lab that says
 * something else can still be brought to its end.
 */
export const namespaces: Policy = {
  name: "namespaces",
  // The status and the finalizers of a namespace are written together with its labels.
  matched: [{ resources: ["namespaces", "namespaces/*"] }],
  variables: {
    ends: "has(object.metadata.deletionTimestamp)",
    labels: "object.metadata.?labels.orValue({})",
  },
  rules: [
    {
      holds: "variables.ends || variables.labels[?'pod-security.kubernetes.io/enforce'].orValue('baseline') in ['baseline', 'restricted']",
      told: "In this lab a namespace enforces the Pod Security Standard baseline or restricted.",
    },
    {
      holds: "variables.ends || variables.labels[?'pod-security.kubernetes.io/enforce-version'].orValue('latest') == 'latest'",
      told: "In this lab a namespace enforces the latest version of the Pod Security Standard: older ones ask less.",
    },
  ],
};

/** What a claim would be bound to: a folder, a device or a server that its author names. */
export const persistentVolumes: Policy = {
  name: "persistent-volumes",
  matched: [{ resources: ["persistentvolumes", "persistentvolumes/*"] }],
  rules: [
    {
      // One of an earlier lab can be deleted, for which its finalizers have to go.
      holds: "request.operation == 'UPDATE' && has(object.metadata.deletionTimestamp)",
      told: "In this lab there are no PersistentVolumes: no storage outlives a pod.",
    },
  ],
};

/** The kubelet's own API, which knows of no admission; what exec, logs and port-forward need of it goes by the pod's subresources. */
export const nodeProxy: Policy = {
  name: "node-proxy",
  matched: [{ resources: ["nodes/proxy"] }],
  operations: ["CONNECT"],
  rules: [{ holds: "false", told: "In this lab a kubelet is asked by `kubectl logs`, `exec` and `port-forward` only." }],
};
