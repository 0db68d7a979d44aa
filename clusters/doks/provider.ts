import { inCloud } from "../cloud/in-cloud.ts";
import type { ClusterProvider } from "../provider.ts";
import { login, plugin, prices, search } from "./cloud.ts";
import { DoksSpec } from "./spec.ts";

export const doks = {
  ...inCloud(login, plugin),
  kind: "doks",
  type: "gitops-lab:cluster:Doks",
  spec: DoksSpec,
  plan: (spec) => spec,
  cloud: { plugin, search, prices },
  component: async () => (await import("./component.ts")).component,
} satisfies ClusterProvider<DoksSpec>;
