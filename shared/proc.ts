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

/** When the process was started, in clock ticks since boot: field 22 of proc_pid_stat(5). */
export function startTimeOf(pid: number): string | undefined {
  return statFields(pid)?.[19];
}
