import { inCloud } from "../cloud/in-cloud.ts";
import type { ClusterProvider } from "../provider.ts";
import { login, plugin, prices, search } from "./cloud.ts";
import { EksSpec } from "./spec.ts";

export const eks = {
  ...inCloud(login, plugin),
  kind: "eks",
  type: "gitops-lab:cluster:Eks",
  spec: EksSpec,
  plan: (spec) => spec,
  cloud: { plugin, search, prices },
  component: async () => (await import("./component.ts")).component,
} satisfies ClusterProvider<EksSpec>;
