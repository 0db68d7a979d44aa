import type { ClusterComponent, Lifetime } from "../ports/cluster.ts";
import type { Kinded } from "../ports/kinded.ts";

interface WithCluster {
  readonly cohort: string;
  readonly cluster: Kinded;
  readonly lifetime: Lifetime;
}

/** What a cohort's clusters share, made once per place where they are. */
export class Foundations {
  readonly #made = new Map<string, unknown>();

  /** The foundation of a learner's cluster; undefined where its provider needs none. */
  of({ cohort, cluster, lifetime }: WithCluster, { foundation }: Pick<ClusterComponent, "foundation">): unknown {
    if (foundation === undefined) return undefined;
    const name = `foundation-${foundation.place(cluster)}`;
    if (!this.#made.has(name)) this.#made.set(name, foundation.create(name, { cohort, plan: cluster, lifetime }));
    return this.#made.get(name);
  }
}
