import { cloudRemedy } from "../cloud/failures.ts";
import { elsewhere } from "../elsewhere.ts";
import type { ClusterProvider } from "../provider.ts";
import { login, plugin, prices, search } from "./cloud.ts";
import { EksSpec } from "./spec.ts";

export const eks = {
  ...elsewhere,
  kind: "eks",
  type: "gitops-lab:cluster:Eks",
  spec: EksSpec,
  plan: (spec) => spec,
  purposes: () => [],
  shown: { steps: {}, remedy: cloudRemedy },
  cloud: { plugin, search, prices },
  drivers: {},
  things: {},
  upkeep: async () => {
    const { cloudConditions } = await import("../cloud/conditions.ts");
    return { conditions: (_plans, env) => cloudConditions(login, plugin, env) };
  },
  component: async () => (await import("./component.ts")).component,
} satisfies ClusterProvider<EksSpec>;
