import { elsewhere } from "../elsewhere.ts";
import type { ClusterProvider } from "../provider.ts";
import { SharedSpec } from "./spec.ts";

export const shared = {
  ...elsewhere,
  kind: "shared",
  type: "gitops-lab:cluster:Shared",
  spec: SharedSpec,
  plan: (spec) => spec,
  purposes: () => ["shared"],
  shown: {
    steps: {
      VirtualClusterNamespace: { step: "namespace", title: "namespace on the shared cluster" },
      VirtualCluster: { step: "control-plane", title: "virtual control plane" },
    },
  },
  drivers: {
    "virtual-cluster": async () => (await import("./cluster.ts")).virtualCluster,
    "virtual-cluster-namespace": async () => (await import("./namespace.ts")).virtualClusterNamespace,
  },
  things: { "virtual-cluster": { look: async (thing) => (await import("./look.ts")).lookForVirtualCluster(thing), passing: true } },
  upkeep: () => import("./conditions.ts"),
  component: async () => (await import("./component.ts")).component,
} satisfies ClusterProvider<SharedSpec>;
