import type { LabCosts } from "../../clusters/costs.ts";

/** What this machine has left, and how much of the cohort runs on it already. */
export interface MachineFacts {
  readonly cores: number;
  /** MiB that can be taken without swapping. */
  readonly memoryMiB: number;
  /** MiB free where labs live. */
  readonly diskMiB: number;
  /** How many more this user may open. */
  readonly inotifyInstances: number;
  readonly inotifyWatches: number;
  /** Of the whole machine. */
  readonly openFiles: number;
  /** In the cohort's range, leased to no other cohort; the cohort's own among them. */
  readonly ports: number;
  /** Whether the cohort's daemon and registry run. */
  readonly hostIsUp: boolean;
  /** How many learners of the cohort file have running processes. */
  readonly learnersUp: number;
  /** Learners of all cohorts whose processes run, these among them. */
  readonly learnersOnMachine: number;
}

export const limitNames = ["memory", "cores", "disk", "inotify instances", "inotify watches", "open files", "ports"] as const;
export type LimitName = (typeof limitNames)[number];

export interface Limit {
  readonly name: LimitName;
  /** Learners of this cohort that fit by this limit alone, those that are up included. */
  readonly seats: number;
  readonly has: string;
  readonly perLearner: string;
}

export interface Capacity {
  readonly wanted: number;
  readonly seats: number;
  readonly limits: readonly Limit[];
  /** The limit that allows the fewest seats; of equal ones the first. */
  readonly binding: Limit;
  /** Seconds until those who are not up yet are; 0 when all are. An estimate. */
  readonly readySeconds: number;
}

/**
 * How many learners of a cohort fit on a machine. The facts say what is left, so labs that are up are counted already. An
 * idle lab's memory grows little, so it counts as it is.
 */
export function capacityFor(wanted: number, facts: MachineFacts, costs: LabCosts): Capacity {
  const up = Math.min(facts.learnersUp, wanted);
  const once = (cost: number) => (facts.hostIsUp ? 0 : cost);
  const more = (left: number, cost: number) => up + Math.max(0, Math.floor(left / cost + 1e-9));
  const memoryEach = costs.memory.learner + costs.memory.learnerWhileUp;
  // The plugin serves the learners that are up as well.
  const memoryLeft = facts.memoryMiB - costs.memory.reserve - once(costs.memory.host) - up * costs.memory.learnerWhileUp;
  const limits: readonly Limit[] = [
    { name: "memory", seats: more(memoryLeft, memoryEach), has: mib(facts.memoryMiB), perLearner: mib(memoryEach) },
    {
      name: "cores",
      seats: more(facts.cores * costs.processor.share - facts.learnersOnMachine * costs.processor.learner, costs.processor.learner),
      has: `${facts.cores}`,
      perLearner: `${costs.processor.learner}`,
    },
    {
      name: "disk",
      seats: more(facts.diskMiB - once(costs.disk.host), costs.disk.learner),
      has: mib(facts.diskMiB),
      perLearner: mib(costs.disk.learner),
    },
    {
      name: "inotify instances",
      seats: more(facts.inotifyInstances, costs.inotify.instances),
      has: `${facts.inotifyInstances}`,
      perLearner: `${costs.inotify.instances}`,
    },
    {
      name: "inotify watches",
      seats: more(facts.inotifyWatches, costs.inotify.watches),
      has: `${facts.inotifyWatches}`,
      perLearner: `${costs.inotify.watches}`,
    },
    {
      name: "open files",
      seats: more(facts.openFiles - once(costs.openFiles.host), costs.openFiles.learner),
      has: count(facts.openFiles),
      perLearner: `${costs.openFiles.learner}`,
    },
    {
      name: "ports",
      seats: Math.max(0, Math.floor((facts.ports - costs.ports.host) / costs.ports.learner)),
      has: `${facts.ports}`,
      perLearner: `${costs.ports.learner}`,
    },
  ];
  const binding = limits.reduce((one, other) => (other.seats < one.seats ? other : one));
  const missing = wanted - up;
  return {
    wanted,
    seats: binding.seats,
    limits,
    binding,
    readySeconds: missing === 0 ? 0 : Math.round(((once(costs.ready.host) + missing * costs.ready.learner) * costs.cores) / facts.cores),
  };
}

/** What helps where a limit is too small. */
export const remedies: Readonly<Record<LimitName, string>> = {
  memory: "End other programs or cohorts (`./lab down <cohort>`)",
  cores: "End other cohorts (`./lab down <cohort>`)",
  disk: "Free some space, or set GITOPS_LAB_HOME to a folder on a larger disk",
  "inotify instances": "Raise it with `sudo sysctl fs.inotify.max_user_instances=1024`",
  "inotify watches": "Raise it with `sudo sysctl fs.inotify.max_user_watches=524288`",
  "open files": "Raise it with `sudo sysctl fs.file-max=1048576`",
  ports: "Set `ports.from` and `ports.to` in the cohort file to a larger range",
};

function mib(amount: number): string {
  return amount < 1024 ? `${Math.round(amount)} MiB` : `${(amount / 1024).toFixed(1)} GiB`;
}

function count(amount: number): string {
  return amount > 1e9 ? "unlimited" : `${amount}`;
}
