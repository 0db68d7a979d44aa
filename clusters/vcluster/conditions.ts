import { existsSync } from "node:fs";
import { vclusterVersion } from "../../shared/pins.ts";
import { isInstalledAsset, locate } from "../../tools/locate.ts";
import type { ProviderCondition } from "../condition.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import type { SharedSpec } from "./spec.ts";

/** What virtual clusters need: Helm, vcluster's chart, and the kubeconfig files that a cohort names. */
export async function conditions(plans: readonly SharedSpec[], env: NodeJS.ProcessEnv = process.env): Promise<ProviderCondition[]> {
  const [helm, hasChart] = [await locate("helm", env), await isInstalledAsset("vcluster-chart", env)];
  const files = new Set(plans.map(kubeconfigOf));
  return [
    { name: "helm", met: helm !== undefined, found: helm?.path ?? "`./lab setup <cohort>` builds it", bySetup: true },
    { name: "vcluster's chart", met: hasChart, found: hasChart ? vclusterVersion : "`./lab setup <cohort>` brings it", bySetup: true },
    ...[...files].map((path) => ({
      name: "kubeconfig",
      met: existsSync(path),
      found: existsSync(path) ? path : `${path} does not exist`,
    })),
  ];
}
