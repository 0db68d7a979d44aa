import type { LabCosts } from "../../clusters/costs.ts";
import type { Pods } from "../../clusters/provider.ts";
import { clusterProvider, clusterProviders } from "../../clusters/providers.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

/** What a lab costs, its share of the lab host included: of the first kind of cluster with which somebody has measured that. */
function measured(pods: Pods): LabCosts {
  const costs = clusterProviders.find((one) => one.costs !== undefined)?.costs?.(pods);
  if (costs === undefined) throw new Error("no kind of cluster has been measured");
  return costs;
}

export const measuredCosts = measured("simulated");

/** Ports of an opened cohort: for Git and images, and for the learners' pages. */
const openedPorts = 2;

/** The learners of whose clusters it is known what they cost this machine. Nobody has measured the others. */
export function learnersHere({ learners }: CohortPlan): CohortPlan["learners"] {
  return learners.filter(({ cluster }) => clusterProvider(cluster.kind).costs !== undefined);
}

/** Ports that a cohort leases on this machine. */
export function portsNeeded(plan: CohortPlan): number {
  const learners = plan.learners.reduce((sum, { cluster }) => sum + clusterProvider(cluster.kind).place.ports, 0);
  return (plan.needsHost ? costsOf(plan).ports.host : 0) + learners;
}

/** The costs of a cohort whose pods run as planned, and which may be opened to other machines. */
export function costsOf({ nodes, opening }: Pick<CohortPlan, "nodes" | "opening">): LabCosts {
  const costs = measured(nodes);
  return { ...costs, ports: { ...costs.ports, host: costs.ports.host + (opening === undefined ? 0 : openedPorts) } };
}
