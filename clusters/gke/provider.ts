import { inCloud } from "../cloud/in-cloud.ts";
import type { ClusterProvider } from "../provider.ts";
import { login, plugin, prices, search } from "./cloud.ts";
import { GkeSpec } from "./spec.ts";

export const gke = {
  ...inCloud(login, plugin),
  kind: "gke",
  type: "gitops-lab:cluster:Gke",
  spec: GkeSpec,
  plan: (spec) => spec,
  cloud: { plugin, search, prices },
  component: async () => (await import("./component.ts")).component,
} satisfies ClusterProvider<GkeSpec>;
