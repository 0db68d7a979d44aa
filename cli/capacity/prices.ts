import type { ClusterPlan } from "../../shared/cluster-spec.ts";
import { ttlMs } from "../../shared/ttl.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

/**
 * List prices in US dollars, for an estimate and no offer: of a region of the United States, without tax, traffic, disks
 * and discounts. From the clouds' own price pages as they were known in November 2026; nothing looks them up.
 */
export const prices = {
  asOf: "2026-11",
  sources: {
    gke: "https://cloud.google.com/kubernetes-engine/pricing, https://cloud.google.com/compute/vm-instance-pricing",
    eks: "https://aws.amazon.com/eks/pricing, https://aws.amazon.com/ec2/pricing",
    doks: "https://www.digitalocean.com/pricing/kubernetes",
  },
  /** An hour of a cluster's control plane. Google gives one zonal cluster of an account for nothing, which is not counted. */
  control: { gke: 0.1, eks: 0.1, doks: 0 },
  /** An hour of what a cohort shares: the NAT gateway with its address. */
  foundation: { gke: 0.006, eks: 0.05, doks: 0 },
  /** An hour of a node on demand, by its type. */
  nodes: {
    "e2-small": 0.0168,
    "e2-medium": 0.0335,
    "e2-standard-2": 0.067,
    "e2-standard-4": 0.134,
    "t3.small": 0.0208,
    "t3.medium": 0.0416,
    "t3.large": 0.0832,
    "s-2vcpu-2gb": 0.0268,
    "s-2vcpu-4gb": 0.0357,
    "s-4vcpu-8gb": 0.0714,
  } as Readonly<Record<string, number>>,
  /** The price of a machine that the cloud may take back, as a share of the price on demand, about. */
  spot: { gke: 0.35, eks: 0.35 },
} as const;

type Cloud = keyof typeof prices.control;
type CloudPlan = Extract<ClusterPlan, { kind: Cloud }>;

export interface CloudCost {
  readonly kind: Cloud;
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
  return (Object.keys(prices.control) as Cloud[]).flatMap((kind) => {
    const ours = learners.flatMap(({ cluster, lifetime }) =>
      cluster.kind === kind ? [{ plan: cluster as CloudPlan, hours: ttlMs(lifetime.ttl) / 3_600_000 }] : [],
    );
    if (ours.length === 0) return [];
    const unknown = [...new Set(ours.map(({ plan }) => machineOf(plan)).filter((machine) => !Object.hasOwn(prices.nodes, machine)))];
    const shared = prices.foundation[kind];
    const perHour = shared + ours.reduce((sum, { plan }) => sum + hourOf(plan), 0);
    const inAll =
      shared * Math.max(...ours.map(({ hours }) => hours)) + ours.reduce((sum, { plan, hours }) => sum + hourOf(plan) * hours, 0);
    const known = unknown.length === 0;
    return [{ kind, clusters: ours.length, perHour: known ? perHour : undefined, inAll: known ? inAll : undefined, unknown }];
  });
}

function machineOf(plan: CloudPlan): string {
  return plan.kind === "gke" ? plan.machineType : plan.kind === "eks" ? plan.instanceType : plan.size;
}

function hourOf(plan: CloudPlan): number {
  const share = plan.kind !== "doks" && plan.spot ? prices.spot[plan.kind] : 1;
  return prices.control[plan.kind] + plan.nodes * share * (prices.nodes[machineOf(plan)] ?? 0);
}
