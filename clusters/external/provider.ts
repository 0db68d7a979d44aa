import { elsewhere } from "../elsewhere.ts";
import type { ClusterProvider } from "../provider.ts";
import { ExternalSpec, planOf } from "./spec.ts";

export const external = {
  ...elsewhere,
  kind: "external",
  type: "gitops-lab:cluster:External",
  spec: ExternalSpec,
  plan: (spec, _found, learner) => planOf(spec, learner),
  purposes: () => [],
  shown: { steps: { ExternalCluster: { step: "external-cluster", title: "the cluster is free, and claimed" } } },
  drivers: { "external-cluster": async () => (await import("./cluster.ts")).externalCluster },
  things: { "external-cluster": { look: async (thing, { cohort }) => (await import("./look.ts")).lookForExternalCluster(thing, cohort) } },
  upkeep: () => import("./conditions.ts"),
  component: async () => (await import("./component.ts")).component,
} satisfies ClusterProvider<ExternalSpec>;
