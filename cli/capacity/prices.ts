import { clusterProviders } from "../../clusters/providers.ts";
import { ttlMs } from "../../shared/ttl.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

export interface CloudCost {
  readonly kind: string;
  readonly clusters: number;
  /** US dollars; undefined where the table does not know the machine. */
  readonly perHour: number | undefined;
  /** For as long as the labs live by the cohort file. */
  readonly inAll: number | undefined;
  /** Machine types that the table does not know. */
  readonly unknown: readonly string[];
}

/** The prices of the cohort's clusters, by cloud; empty where it has none in a cloud. */
export function cloudCosts({ learners }: Pick<CohortPlan, "learners">): readonly CloudCost[] {
  return clusterProviders.flatMap(({ kind, cloud }) => {
    const ours = learners.flatMap(({ cluster, lifetime }) =>
      cloud !== undefined && cluster.kind === kind
        ? [{ machine: cloud.prices.machine(cluster), anHour: cloud.prices.hour(cluster), hours: ttlMs(lifetime.ttl) / 3_600_000 }]
        : [],
    );
    if (cloud === undefined || ours.length === 0) return [];
    const unknown = [...new Set(ours.flatMap(({ machine, anHour }) => (anHour === undefined ? [machine] : [])))];
    const { foundation } = cloud.prices;
    const perHour = foundation + ours.reduce((sum, { anHour = 0 }) => sum + anHour, 0);
    const inAll =
      foundation * Math.max(...ours.map(({ hours }) => hours)) + ours.reduce((sum, { anHour = 0, hours }) => sum + anHour * hours, 0);
    const known = unknown.length === 0;
    return [{ kind, clusters: ours.length, perHour: known ? perHour : undefined, inAll: known ? inAll : undefined, unknown }];
  });
}

/** Where the prices of a cloud are from, and what they leave out. */
export function sourceOf({ kind }: Pick<CloudCost, "kind">): string {
  const prices = clusterProviders.find((one) => one.kind === kind)?.cloud?.prices;
  return `list prices of ${prices?.asOf} in the United States, without disks, traffic and tax; ${prices?.source}`;
}
