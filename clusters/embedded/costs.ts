import type { LabCosts } from "../costs.ts";
import type { Pods } from "../provider.ts";

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

/** The costs of a lab whose pods run so. */
export function costsOf(pods: Pods): LabCosts {
  if (pods === "simulated") return measuredCosts;
  const { memory, ready } = measuredCosts;
  return {
    ...measuredCosts,
    memory: { ...memory, learner: memory.learner + realNode.memory },
    ready: { ...ready, learner: ready.learner + realNode.ready },
  };
}
