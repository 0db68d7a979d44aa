import type { ClusterKind } from "../clusters/providers.ts";

/**
 * The paper calculation of docs/scaling.md: what a cohort of many learners asks of Pulumi and of the API servers. The
 * counts are of the program as it is (test/components/scaling.test.ts holds them against it); times and sizes have their
 * source beside them.
 */
export const perLearner: Readonly<
  Record<
    Extract<ClusterKind, "embedded" | "shared">,
    { readonly resources: number; readonly writes: { readonly virtual: number; readonly host: number } }
  >
> = {
  embedded: { resources: 27, writes: { virtual: 12, host: 0 } },
  shared: { resources: 56, writes: { virtual: 32, host: 8 } },
};

/** What a stack has however many learners: the lab host, the provider of the cluster below. */
export const perStack = { embedded: 1, shared: 2 } as const;

/** Writes per second that Pulumi's Kubernetes plugin allows itself on one cluster: client-go's QPS of 50 as in its documentation (kubeClientSettings). */
export const writesPerSecond = 50;

/** Bytes that a resource takes in the state, on average: of the state of an embedded learner (35 resources, 230 kB; a dynamic resource has 15 kB, an object 4). */
export const stateBytesPerResource = 6600;

export interface Scale {
  readonly resources: number;
  /** In each learner's own API server, and in the one below it. */
  readonly writes: { readonly virtual: number; readonly host: number };
  /** Kubernetes plugin processes: the official one serves all providers in one; the fallback has one per learner. */
  readonly plugins: { readonly official: number; readonly fallback: number };
  /** MiB of state, which Pulumi writes after every step unless told not to. */
  readonly stateMiB: number;
  /** Least seconds for the writes to the one API server below, by the plugin's own pace. */
  readonly hostWriteSeconds: number;
}

/** One stack with so many learners. */
export function scaleOf(kind: keyof typeof perLearner, learners: number): Scale {
  const { resources, writes } = perLearner[kind];
  const all = perStack[kind] + resources * learners;
  return {
    resources: all,
    writes: { virtual: writes.virtual * learners, host: writes.host * learners },
    plugins: { official: 1, fallback: learners + (kind === "shared" ? 1 : 0) },
    stateMiB: (all * stateBytesPerResource) / 1024 ** 2,
    hostWriteSeconds: (writes.host * learners) / writesPerSecond,
  };
}
