import { readFile } from "node:fs/promises";

/** What a process has of the machine at one moment. */
export interface ProcessUsage {
  /** Proportional set size: memory that is shared counts in part, so that sums over processes are true. */
  readonly pssBytes: number;
  /** Since its start. */
  readonly cpuSeconds: number;
}

/** USER_HZ of proc(5), which Linux keeps at 100 whatever the kernel's own clock. */
const ticksPerSecond = 100;

/** Undefined where no such process runs, or it is another user's. */
export async function usageOf(pid: number): Promise<ProcessUsage | undefined> {
  try {
    const [rollup, stat] = await Promise.all([readFile(`/proc/${pid}/smaps_rollup`, "utf8"), readFile(`/proc/${pid}/stat`, "utf8")]);
    const pss = /^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1];
    // After the command name: fields 14 and 15 of proc_pid_stat(5) are user and system time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return pss === undefined
      ? undefined
      : { pssBytes: Number(pss) * 1024, cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond };
  } catch {
    return undefined;
  }
}
