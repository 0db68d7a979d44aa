import { labHostKind } from "../../shared/on-lab-host.ts";
import type { ClusterProvider } from "../provider.ts";
import { costsOf, measuredCosts } from "./costs.ts";
import { EmbeddedSpec, type EmbeddedPlan } from "./spec.ts";

export const embedded = {
  kind: labHostKind,
  type: "gitops-lab:cluster:Embedded",
  spec: EmbeddedSpec,
  plan: ({ kind, nodes }, found): EmbeddedPlan => ({ kind, nodes: nodes === "auto" ? found.nodes : nodes }),
  pods: ({ nodes }) => nodes,
  place: { onThisMachine: true, reach: "loopback", ports: measuredCosts.ports.learner, holdsPortsAsleep: false },
  purposes: ({ nodes }) => (nodes === "real" ? ["real-nodes"] : []),
  shown: {
    steps: {
      EmbeddedCluster: { step: "control-plane", title: "control plane" },
      FluxControllers: { step: "flux-controllers", title: "Flux controllers" },
    },
    title: (pods) => `${labHostKind} (pods ${pods})`,
  },
  costs: costsOf,
  drivers: {
    "embedded-cluster": async () => (await import("./cluster.ts")).embeddedCluster,
    "flux-controllers": async () => (await import("./flux-controllers.ts")).fluxControllers,
  },
  things: {},
  upkeep: async () => ({
    ...(await import("./upkeep.ts")),
    choose: (await import("./nodes.ts")).decideNodes,
    realPods: (await import("./node/preflight.ts")).preflight,
  }),
  component: async () => (await import("./component.ts")).component,
} satisfies ClusterProvider<EmbeddedSpec, EmbeddedPlan>;
