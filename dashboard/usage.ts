import { findMarked } from "../ledger/process-identity.ts";
import { usageOf } from "../host/processes/usage.ts";
import { cohortPaths } from "../shared/paths.ts";
import type { LearnerFacts } from "./facts.ts";

/** What a look at processes has seen. */
export interface Look {
  /** Milliseconds, by the clock of `performance`. */
  readonly at: number;
  /** Processor seconds of each, by process id. */
  readonly cpuSeconds: ReadonlyMap<number, number>;
  /** Memory of all, in bytes. */
  readonly pssBytes: number;
}

/** Before the first look. */
export const noLook: Look = { at: 0, cpuSeconds: new Map(), pssBytes: 0 };

/** Looks at what these processes take. Those that have ended take nothing. */
export async function lookAtProcesses(pids: readonly number[]): Promise<Look> {
  const at = performance.now();
  const all = await Promise.all(pids.map(async (pid) => ({ pid, usage: await usageOf(pid) })));
  const seen = all.flatMap(({ pid, usage }) => (usage === undefined ? [] : [{ pid, ...usage }]));
  return {
    at,
    cpuSeconds: new Map(seen.map(({ pid, cpuSeconds }) => [pid, cpuSeconds])),
    pssBytes: seen.reduce((sum, { pssBytes }) => sum + pssBytes, 0),
  };
}

/** What a learner's processes take: memory to the MiB, and the share of a core since the look before, if there was one. */
export function usageBetween(before: Look, now: Look): NonNullable<LearnerFacts["usage"]> {
  const elapsed = (now.at - before.at) / 1000;
  // Only of processes that both looks saw: one that was started in between has no share yet.
  const spent = [...now.cpuSeconds].reduce((sum, [pid, seconds]) => sum + (seconds - (before.cpuSeconds.get(pid) ?? seconds)), 0);
  return {
    pssBytes: Math.round(now.pssBytes / 1024 ** 2) * 1024 ** 2,
    ...(before.cpuSeconds.size > 0 && { cpuShare: Math.round((spent / elapsed) * 1000) / 1000 }),
  };
}

/** The ids of a learner's processes. By the daemon's table where it answers, else by the marks, which survive it. */
export function processesOf(cohort: string, { id, processes }: LearnerFacts): number[] {
  const known = processes.flatMap(({ pid }) => pid ?? []);
  if (processes.length > 0) return known;
  return findMarked(cohortPaths(cohort).daemon).flatMap(({ name, identity }) => (name.startsWith(`${id}/`) ? [identity.pid] : []));
}
