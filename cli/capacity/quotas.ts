import { sizeText, type Limits } from "../../shared/limits.ts";
import type { MachineFacts } from "./capacity.ts";

/** How much all learners together could take, if each took all that the limits allow. */
export interface Quotas {
  readonly learners: number;
  /** Bytes a learner. */
  readonly memory: number;
  /** Bytes a learner: the sum of what Git, images, etcd, Flux and a real node may take. */
  readonly disk: number;
  /** Whether this machine has as much. If not, the limits still keep one learner from taking everybody's. */
  readonly memoryIsThere: boolean;
  readonly diskIsThere: boolean;
  readonly limits: Limits;
}

/** Compares the limits of a cohort's learners with this machine. What they use already counts as free. */
export function quotasOf(
  learners: number,
  limits: Limits,
  nodes: "real" | "simulated",
  { memoryMiB, diskMiB }: Pick<MachineFacts, "memoryMiB" | "diskMiB">,
): Quotas {
  const { git, images, etcd, flux, node } = limits.disk;
  const disk = git + images + etcd + flux + (nodes === "real" ? node : 0);
  return {
    learners,
    memory: limits.memory,
    disk,
    memoryIsThere: learners * limits.memory <= memoryMiB * 1024 ** 2,
    diskIsThere: learners * disk <= diskMiB * 1024 ** 2,
    limits,
  };
}

/** The same for people: what a learner may take, and whether all may at once. */
export function quotaLines({ learners, memory, disk, memoryIsThere, diskIsThere, limits }: Quotas): string[] {
  const beyond = [...(memoryIsThere ? [] : ["memory"]), ...(diskIsThere ? [] : ["disk"])];
  return [
    `limits of a learner: ${sizeText(memory)} of memory, ${limits.cpu} cores, ${limits.pids} processes, ${sizeText(disk)} of disk; a push ${sizeText(limits.push)}, a file ${sizeText(limits.file)}, an image layer ${sizeText(limits.layer)}, ${limits.refs} branches and tags`,
    `at most, if all ${learners} took all of it: ${sizeText(learners * memory)} of memory and ${sizeText(learners * disk)} of disk${beyond.length === 0 ? "" : `, which is more ${beyond.join(" and ")} than this machine has left; \`limits\` in the cohort file lowers it`}`,
  ];
}
