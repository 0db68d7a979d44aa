import type { ClusterPlan } from "../../shared/cluster-spec.ts";
import { clusterProvider } from "./providers.ts";
import type { Lifetime } from "./types.ts";

interface WithCluster {
  readonly cohort: string;
  readonly cluster: ClusterPlan;
  readonly lifetime: Lifetime;
}

/** What a cohort's clusters share, made once per place where they are. */
export class Foundations {
  readonly #made = new Map<string, unknown>();

  /** The foundation of a learner's cluster; undefined where its provider needs none. */
  of({ cohort, cluster, lifetime }: WithCluster): unknown {
    const { foundation } = clusterProvider(cluster.kind);
    if (foundation === undefined) return undefined;
    const name = `foundation-${foundation.place(cluster)}`;
    if (!this.#made.has(name)) this.#made.set(name, foundation.create(name, { cohort, plan: cluster, lifetime }));
    return this.#made.get(name);
  }
}
