import { readdirSync, readFileSync } from "node:fs";

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

/** The processes of this process's session that were started after it, with their command lines: fields 3, 6 and 22 of proc_pid_stat(5). */
export function laterInSession(): { readonly pid: number; readonly command: string }[] {
  const own = statFields(process.pid);
  return readdirSync("/proc").flatMap((entry) => {
    const fields = /^\d+$/.test(entry) ? statFields(Number(entry)) : undefined;
    const isLater = fields?.[3] === own?.[3] && Number(fields?.[19]) > Number(own?.[19]);
    return isLater && fields?.[0] !== "Z" ? [{ pid: Number(entry), command: commandOf(Number(entry)) }] : [];
  });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}
