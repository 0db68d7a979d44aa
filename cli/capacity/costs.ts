import type { CohortPlan } from "../../stacks/plan.ts";

/**
 * What a lab costs, as measured; every figure with its source. Measured on 2026-11-24 with embedded clusters on a machine
 * of two cores (AMD EPYC) and 24 GiB; docs/measurements.md says how.
 */
export const measuredCosts: LabCosts = {
  measuredOn: "2026-11-24",
  source: "docs/measurements.md",
  cores: 2,
  memory: {
    // Program pages, which are there once however many learners run (510), the daemon (99), the registry (46).
    host: 655,
    // The learner's own processes held 330 of ten learners, 4070 MiB with the host's share; the memory limits that came since
    // let kube-apiserver and kustomize-controller take 55 more.
    learner: 400,
    // The fallback Kubernetes plugin, while Pulumi runs; the official plugin shares one process.
    learnerWhileUp: 42,
    // Left to the rest of the machine, Pulumi's engine and program among it.
    reserve: 512,
  },
  // Idle; up to three quarters of the machine is given away, for checks, pushes and builds come on top.
  processor: { learner: 0.02, share: 0.75 },
  // etcd's two preallocated logs (128), logs and Flux storage of a first day; the cohort's registry and headroom.
  disk: { host: 1024, learner: 200 },
  // kube-apiserver alone watches files.
  inotify: { instances: 3, watches: 4 },
  // 258 in use 40 s after `up`, of which kube-apiserver 96 and etcd 90, and 34 of the cohort.
  openFiles: { host: 50, learner: 300 },
  // The daemon's and the registry's; the API server's and source-controller's.
  ports: { host: 2, learner: 2 },
  // 20.6 s for one learner and 125 s for ten, evidence included.
  ready: { host: 9, learner: 11.6 },
  // One learner at a load of 4, where a step and the next one's wait for the processor are hard to tell apart. They weigh
  // steps against each other, so only their proportions matter.
  steps: {
    "control-plane": 2.6,
    "image-repository": 0.1,
    "first-images": 0.5,
    "practice-images": 0.5,
    "git-repository": 0.2,
    pipeline: 0.9,
    "flux-kinds": 1.9,
    "flux-objects": 2,
    "flux-controllers": 0.2,
    "flux-ready": 14,
  },
  // 2.8 s for one learner and 5.1 s for ten.
  gone: { host: 2.5, learner: 0.3 },
};

/**
 * What a learner costs more where pods run for real: MiB of memory (by PSS 222, less the 48 that one process for kubelet and
 * kube-proxy saved since), seconds until ready (33-36 instead of 21 for one). Nobody has measured how much inotify and how
 * many open files kubelet and containerd take.
 */
const realNode = { memory: 175, ready: 14 };

/** Ports of an opened cohort: for Git and images, and for the learners' pages. */
const openedPorts = 2;

/** The learners whose clusters run as processes of this machine. Nobody has measured what the others cost it. */
export function learnersHere({ learners }: CohortPlan): CohortPlan["learners"] {
  return learners.filter(({ cluster }) => cluster.kind === "embedded");
}

/** Ports that a cohort leases on this machine. A kind cluster takes as many as an embedded one. */
export function portsNeeded(plan: CohortPlan): number {
  const { host, learner } = costsOf(plan).ports;
  return (
    (plan.needsHost ? host : 0) +
    learner * plan.learners.filter(({ cluster }) => cluster.kind === "embedded" || cluster.kind === "kind").length
  );
}

/** The costs of a cohort whose pods run as planned, and which may be opened to other machines. */
export function costsOf({ nodes, opening }: Pick<CohortPlan, "nodes" | "opening">): LabCosts {
  const { memory, ready, ports } = measuredCosts;
  const opened = { ...measuredCosts, ports: { ...ports, host: ports.host + (opening === undefined ? 0 : openedPorts) } };
  if (nodes === "simulated") return opened;
  return {
    ...opened,
    memory: { ...memory, learner: memory.learner + realNode.memory },
    ready: { ...ready, learner: ready.learner + realNode.ready },
  };
}

export interface LabCosts {
  readonly measuredOn: string;
  readonly source: string;
  /** Of the machine on which times were measured. */
  readonly cores: number;
  /** MiB. */
  readonly memory: { readonly host: number; readonly learner: number; readonly learnerWhileUp: number; readonly reserve: number };
  /** Cores, and the share of the machine's that labs may take. */
  readonly processor: { readonly learner: number; readonly share: number };
  /** MiB. */
  readonly disk: { readonly host: number; readonly learner: number };
  readonly inotify: { readonly instances: number; readonly watches: number };
  readonly openFiles: { readonly host: number; readonly learner: number };
  readonly ports: { readonly host: number; readonly learner: number };
  /** Seconds until all evidence passes. */
  readonly ready: { readonly host: number; readonly learner: number };
  /** Seconds of a learner's steps, by the names in cli/progress/steps.ts. */
  readonly steps: Readonly<Record<string, number>>;
  /** Seconds until all is removed. */
  readonly gone: { readonly host: number; readonly learner: number };
}
