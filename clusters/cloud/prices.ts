import type { Prices } from "../provider.ts";

/**
 * List prices in US dollars, for an estimate and no offer: of a region of the United States, without tax, traffic, disks
 * and discounts. From the clouds' own price pages as they were known then; nothing looks them up.
 */
const asOf = "2026-11";

interface Table<Plan> {
  readonly source: string;
  /** An hour of a cluster's control plane. */
  readonly control: number;
  /** An hour of what a cohort shares. */
  readonly foundation: number;
  /** An hour of a node on demand, by its type. */
  readonly nodes: Readonly<Record<string, number>>;
  /** The type of a cluster's nodes. */
  machine(plan: Plan): string;
  /** The price of a machine that the cloud may take back, as a share of the price on demand, about. */
  readonly spot?: number;
}

/** What a cluster of a cloud costs by its table. */
export function pricesOf<Plan extends { readonly kind: string; readonly nodes: number; readonly spot?: boolean }>(
  table: Table<Plan>,
): Prices<Plan> {
  const { source, control, foundation, nodes, machine, spot = 1 } = table;
  return {
    asOf,
    source,
    foundation,
    machine,
    hour(plan) {
      const node = Object.hasOwn(nodes, machine(plan)) ? nodes[machine(plan)] : undefined;
      return node === undefined ? undefined : control + plan.nodes * (plan.spot ? spot : 1) * node;
    },
  };
}
