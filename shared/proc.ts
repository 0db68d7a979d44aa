import { readFileSync } from "node:fs";

/** Fields of /proc/<pid>/stat after the command name, which may itself hold spaces and parentheses; undefined where no such process is. */
export function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** Tells one boot of the machine from the next: random_boot_id of proc_sys_kernel(5). */
export const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** When the process was started, in clock ticks since boot: field 22 of proc_pid_stat(5). */
export function startTimeOf(pid: number): string | undefined {
  return statFields(pid)?.[19];
}
