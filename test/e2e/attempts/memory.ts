import { readdirSync, readFileSync } from "node:fs";
import type { Attempt } from "./attempt.ts";
import type { Ground } from "./ground.ts";

/** The most memory in bytes that each process of the cohort as a whole has had, by its pid; a learner's own are not among them. */
function sharedPeaks(ground: Ground): Map<number, number> {
  const shared = ground.marked().filter(({ name }) => !/^(ada|bob)\//.test(name));
  return new Map(shared.map(({ identity }) => [identity.pid, statusBytes(identity.pid, "VmHWM")]));
}

/** A field of /proc/<pid>/status that is a size; 0 for a process that is gone. */
function statusBytes(pid: number, field: string): number {
  try {
    const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kibibytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The same row, for which it is a proof as well that a process which all learners share grew by more than so many bytes. */
export function measured(row: Attempt, most: number): Attempt {
  return {
    ...row,
    async attempt(scene) {
      const before = sharedPeaks(scene.ground);
      const sign = await row.attempt(scene);
      for (const [pid, peak] of sharedPeaks(scene.ground)) {
        const growth = peak - (before.get(pid) ?? peak);
        if (growth > most) scene.accepted = `a process of the whole cohort grew by ${Math.round(growth / 2 ** 20)} MiB; ${sign}`;
      }
      return sign;
    },
  };
}

export interface Program {
  readonly pid: number;
  readonly bytes: number;
}

/** Processes of a program that run now, with what they hold. */
export function running(name: string): Program[] {
  return readdirSync("/proc").flatMap((entry) => {
    try {
      if (!/^\d+$/.test(entry) || readFileSync(`/proc/${entry}/comm`, "utf8").trim() !== name) return [];
      return [{ pid: Number(entry), bytes: statusBytes(Number(entry), "VmRSS") }];
    } catch {
      return [];
    }
  });
}
