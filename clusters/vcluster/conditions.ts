import { vclusterVersion } from "../../shared/pins.ts";
import { isInstalledAsset, locate } from "../../tools/locate.ts";
import { kubeconfigProblem } from "../brought-kubeconfig.ts";
import type { ProviderCondition } from "../condition.ts";
import { inStacks } from "../in-stacks.ts";
import type { SharedSpec } from "./spec.ts";

/** What virtual clusters need: Helm, vcluster's chart, and kubeconfigs that can be used. */
export async function conditions(plans: readonly SharedSpec[], env: NodeJS.ProcessEnv = process.env): Promise<ProviderCondition[]> {
  const [helm, hasChart] = [await locate("helm", env), await isInstalledAsset("vcluster-chart", env)];
  const named = new Map(plans.map((plan) => [`${plan.kubeconfig}#${plan.context ?? ""}`, plan]));
  return [
    { name: "helm", met: helm !== undefined, found: helm?.path ?? "`./lab setup <cohort>` builds it", bySetup: true },
    { name: "vcluster's chart", met: hasChart, found: hasChart ? vclusterVersion : "`./lab setup <cohort>` brings it", bySetup: true },
    ...[...named.values()].map((plan) => {
      const problem = kubeconfigProblem(plan);
      return { name: "kubeconfig", met: problem === undefined, found: problem ?? inStacks(plan.kubeconfig) };
    }),
  ];
}
