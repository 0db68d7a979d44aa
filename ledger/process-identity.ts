import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { z } from "zod";
import { markVariable } from "../shared/environment.ts";
import { bootId, startTimeOf, statFields } from "../shared/proc.ts";

/**
 * A process that cannot be confused with another one that got the same pid later: `startTime` is field 22 of
 * /proc/<pid>/stat (clock ticks since boot), `bootId` tells one boot from the next.
 */
export const ProcessIdentity = z.object({ pid: z.int(), startTime: z.string(), bootId: z.string() });
export type ProcessIdentity = z.output<typeof ProcessIdentity>;

/** The identity of a running process; undefined when there is none with this pid. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, bootId: bootId() };
}

/**
 * Whether that very process still runs. A zombie does not, unless it has threads: the first thread of a process that is being
 * killed may be gone while others hold its ports and files. Fields 3 and 20 of proc_pid_stat(5).
 */
export function isRunning(identity: ProcessIdentity): boolean {
  const fields = statFields(identity.pid);
  if (fields?.[19] !== identity.startTime || bootId() !== identity.bootId) return false;
  return fields[0] !== "Z" || Number(fields[17]) > 1;
}

/** When the process was started; undefined where it is of another boot. */
export function startOf({ startTime, bootId: boot }: ProcessIdentity): Date | undefined {
  if (boot !== bootId()) return undefined;
  // Seconds since 1970 in proc_stat(5); ticks are of USER_HZ, which Linux keeps at 100.
  const bootedAt = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
  return new Date((bootedAt + Number(startTime) / 100) * 1000);
}

/** Signals the process group that the process leads; does nothing when it is gone. Returns whether it was there. */
export function signalGroup(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false;
  try {
    process.kill(-identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** The variable that marks a process and all its children as the lab's, in words that no other lab uses and that name no folder. */
export function mark(daemonFolder: string, name: string): Record<string, string> {
  return { [markVariable]: `${markOf(daemonFolder)}#${name}` };
}

/** `<lab home>/<cohort>`, the first as a hash: whoever runs in a room can read the own mark. */
function markOf(daemonFolder: string): string {
  const cohort = dirname(daemonFolder);
  return `${homeOf(dirname(cohort))}/${basename(cohort)}`;
}

const homeOf = (cohortsFolder: string) => createHash("sha256").update(cohortsFolder).digest("hex").slice(0, 16);

/** Every running process that carries a mark of this folder, with the marked name; also what no record knows of. */
export function findMarked(daemonFolder: string): { readonly name: string; readonly identity: ProcessIdentity }[] {
  // The second is of versions whose marks had the folder in them.
  return marked([`${markOf(daemonFolder)}#`, `${daemonFolder}#`]).map(({ rest, identity }) => ({ name: rest, identity }));
}

/** Every running process of the cohorts in a folder. */
export function allMarked(cohortsFolder: string): { readonly cohort: string; readonly name: string; readonly identity: ProcessIdentity }[] {
  return marked([`${homeOf(cohortsFolder)}/`, `${cohortsFolder}/`]).map(({ rest, identity }) => {
    const [place = "", ...name] = rest.split("#");
    return { cohort: place.split("/")[0]!, name: name.join("#"), identity };
  });
}

/** Every running process whose mark begins in one of these ways, and how it goes on. */
function marked(beginnings: readonly string[]): { readonly rest: string; readonly identity: ProcessIdentity }[] {
  const variable = `${markVariable}=`;
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) return [];
    try {
      const mark = readFileSync(`/proc/${pid}/environ`, "utf8")
        .split("\0")
        .find((one) => one.startsWith(variable))
        ?.slice(variable.length);
      const beginning = beginnings.find((one) => mark?.startsWith(one));
      const identity = beginning === undefined ? undefined : identify(pid);
      return beginning === undefined || identity === undefined ? [] : [{ rest: mark!.slice(beginning.length), identity }];
    } catch {
      // It ended meanwhile, or is another user's.
      return [];
    }
  });
}

/** The mark's name of Pulumi's engine and of everything it starts. */
export const engineName = "pulumi";

const ownerVariable = "GITOPS_LAB_ENGINE_OF";

/** What marks a cohort's engine, and says that this process is the one that it works for. */
export function engineMark(daemonFolder: string): Record<string, string> {
  return { ...mark(daemonFolder, engineName), [ownerVariable]: String(process.pid) };
}

/** The engines of this folder's cohort that work for the process. */
export function livingEngines(daemonFolder: string, owner: number): ProcessIdentity[] {
  return enginesAmong(findMarked(daemonFolder)).filter(({ pid }) => ownerOf(pid) === String(owner));
}

/** The engines that run and have somebody to work for: their ./lab is still their parent. */
function enginesAmong(marked: ReturnType<typeof findMarked>): ProcessIdentity[] {
  const engines = marked.filter(({ name, identity }) => name === engineName && commandName(identity.pid) === engineName);
  return engines.map(({ identity }) => identity).filter(({ pid }) => parentOf(pid) === ownerOf(pid));
}

/** Ends what a killed engine left, and an engine whose ./lab was killed. */
export function endOrphansOfEngine(daemonFolder: string): void {
  for (const identity of orphansOfEngine(daemonFolder)) endOne(identity);
}

/**
 * What a killed engine left: it ends its language host and plugins by signal, which it then no longer can; and an engine
 * whose ./lab was killed, for it has nobody to tell what it does. Processes of an engine that runs for somebody are none
 * of these.
 */
export function orphansOfEngine(daemonFolder: string): ProcessIdentity[] {
  const all = findMarked(daemonFolder);
  const marked = all.filter(({ name }) => name === engineName);
  const living = new Set(enginesAmong(all).map(({ pid }) => pid));
  // From parents to children, however deep: whose parent belongs to a living engine does so too.
  for (let before = -1; before !== living.size; ) {
    before = living.size;
    for (const { identity } of marked) if (living.has(Number(parentOf(identity.pid)))) living.add(identity.pid);
  }
  return marked.flatMap(({ identity }) => (living.has(identity.pid) ? [] : [identity]));
}

/** The process an engine works for; undefined where that can't be told. */
function ownerOf(pid: number): string | undefined {
  const prefix = `${ownerVariable}=`;
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8")
      .split("\0")
      .find((variable) => variable.startsWith(prefix))
      ?.slice(prefix.length);
  } catch {
    return undefined;
  }
}

function parentOf(pid: number): string | undefined {
  return statFields(pid)?.[1];
}

/** Ends this one process at once; what is gone already is a success. */
export function endOne(identity: ProcessIdentity): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The program's name, as the kernel has it: 15 bytes. */
export function commandName(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Whether the process leads its group: what a supervisor starts does, its children do not. */
export function leadsGroup({ pid }: ProcessIdentity): boolean {
  return statFields(pid)?.[2] === String(pid);
}

/** Whether it runs among the host's users, as whoever started the lab: what is in a room does not. */
export function isOfThisUser({ pid }: ProcessIdentity): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync("/proc/self/ns/user");
  } catch {
    return false;
  }
}

/** The namespaces that a process is in and this one is not, as `net:[4026532201]`; none where it may not be looked at. */
export function namespacesOf(pid: number): string[] {
  return ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"].flatMap((type) => {
    try {
      const namespace = readlinkSync(`/proc/${pid}/ns/${type}`);
      return namespace === readlinkSync(`/proc/self/ns/${type}`) ? [] : [namespace];
    } catch {
      return [];
    }
  });
}

/** Ends, one by one, what carries a mark of this folder and leads no group that could be signalled; not the engine's processes. */
export function endStragglers(daemonFolder: string): void {
  for (const { name, identity } of findMarked(daemonFolder)) if (name !== engineName) endOne(identity);
}
