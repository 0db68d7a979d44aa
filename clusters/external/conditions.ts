import type { ProviderCondition } from "../condition.ts";
import { inStacks } from "../in-stacks.ts";
import { readBrought, type Named } from "../brought-kubeconfig.ts";
import type { ExternalSpec } from "./spec.ts";

/** What clusters that are brought need: a kubeconfig each that can be used, and no two of one cluster. */
export async function conditions(plans: readonly ExternalSpec[]): Promise<ProviderCondition[]> {
  const name = "kubeconfig";
  if (plans.length === 0)
    return [{ name, met: true, found: "one a learner, of a cluster of their own; the cohort file names it", advice: true }];
  const called = ({ kubeconfig, context }: Named) => `${inStacks(kubeconfig)}${context === undefined ? "" : ` (context ${context})`}`;
  const read = plans.map((plan) => ({ called: called(plan), ...readBrought(plan) }));
  const byServer = Map.groupBy(read, (one) => ("problem" in one ? "" : new URL(one.server).href));
  return [...byServer].flatMap(([server, those]): ProviderCondition[] => {
    if (server === "") return those.map((one) => ({ name, met: false, found: "problem" in one ? one.problem : "" }));
    if (those.length === 1) return [{ name, met: true, found: `${those[0]?.called}, which leads to ${server}` }];
    const files = [...new Set(those.map((one) => one.called))].join(" and ");
    return [
      {
        name,
        met: false,
        found: `${those.length} learners would be on one cluster, ${server} (${files}), and each takes a whole one: name one for each, with {learner} in \`cluster.kubeconfig\` or in \`learners[].cluster\``,
      },
    ];
  });
}
