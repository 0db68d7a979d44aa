import { constants } from "node:fs";
import { access, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { CohortGroup } from "../../ledger/orphans.ts";
import type { Limits } from "../../shared/limits.ts";
import { homeMark } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { waitUntil } from "../../shared/wait.ts";

/** A learner's control group, as lab-room takes it. */
export const Cgroup = z.object({
  version: z.union([z.literal(1), z.literal(2)]),
  /** Folder by controllers (version 1: one hierarchy each), or `unified` (version 2). */
  folders: z.record(z.string(), z.string()),
});
export type Cgroup = z.output<typeof Cgroup>;

export const cgroupRoot = "/sys/fs/cgroup";

/** Where a controller's files of a group are; undefined where the machine has no such controller. */
export function folderOf({ version, folders }: Cgroup, controller: string): string | undefined {
  if (version === 2) return folders["unified"];
  return Object.entries(folders).find(([names]) => names.split(",").includes(controller))?.[1];
}

/**
 * Where a group of that name belongs on this machine. With version 2 below the root, since a group with processes of its
 * own can limit none within it; with version 1 below this process' own groups, whose limits go on to hold. Whoever is not root has with version 2 what was handed over.
 */
export async function planCgroup(name: string): Promise<Cgroup> {
  const own = await readFile("/proc/self/cgroup", "utf8");
  const planned = cgroupAt(name, own, await readFile("/proc/self/mountinfo", "utf8"));
  if (planned.version === 1 || process.getuid?.() === 0) return planned;
  const group = await handedOverGroup(own);
  return group === undefined ? planned : { version: 2, folders: { unified: join(group, name) } };
}

/** The control groups that cohorts of this lab home have. */
export async function cohortGroups(): Promise<CohortGroup[]> {
  const parents = Object.values((await planCgroup("gitops-lab")).folders);
  const prefix = `${homeMark()}-`;
  const found = await Promise.all(
    parents.map(async (parent) => (await readdir(parent).catch(() => [])).map((name) => ({ name, folder: join(parent, name) }))),
  );
  return found.flat().flatMap(({ name, folder }) => (name.startsWith(prefix) ? [{ cohort: name.slice(prefix.length), folder }] : []));
}

/** The topmost group of version 2 above this process that is its user's, as systemd hands one over; by /proc/self/cgroup. */
export async function handedOverGroup(own: string): Promise<string | undefined> {
  const path = /^0::(\/.*)$/m.exec(own)?.[1];
  let group: string | undefined;
  for (let folder = join(cgroupRoot, path ?? ""); path !== undefined && folder.startsWith(cgroupRoot); folder = dirname(folder)) {
    if (!(await isWritable(join(folder, "cgroup.procs")))) break;
    group = folder;
  }
  return group;
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** Pure part of `planCgroup`; formats of /proc/<pid>/cgroup in cgroups(7) and /proc/<pid>/mountinfo in proc(5). */
export function cgroupAt(name: string, own: string, mountinfo: string): Cgroup {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, point] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    return root === undefined || point === undefined ? [] : [{ type, root, point, options: options.split(",") }];
  });
  if (mounts.some(({ type, point }) => type === "cgroup2" && point === cgroupRoot))
    return { version: 2, folders: { unified: join(cgroupRoot, name) } };
  const folders = own.split("\n").flatMap((line): [string, string][] => {
    const [, hierarchy, controllers = "", path = "/"] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (hierarchy === undefined || controllers === "") return [];
    const mount = mounts.find(
      ({ type, options }) => type === "cgroup" && controllers.split(",").every((controller) => options.includes(controller)),
    );
    if (mount === undefined) return [];
    const below = mount.root === "/" ? path : path.startsWith(mount.root) ? path.slice(mount.root.length) : "/";
    return [[controllers, join(mount.point, below, name)]];
  });
  return { version: 1, folders: Object.fromEntries(folders) };
}

/** Limits over everything that belongs to a learner, by cgroup file. */
export function limits(
  version: 1 | 2,
  cores: number,
  { memory, cpu, pids }: Pick<Limits, "memory" | "cpu" | "pids">,
): Record<string, string> {
  const periodMicroseconds = 100_000;
  const quota = Math.round(Math.min(cpu, cores * share) * periodMicroseconds);
  return version === 2
    ? { "memory.max": String(memory), "pids.max": String(pids), "cpu.max": `${quota} ${periodMicroseconds}` }
    : {
        "memory.limit_in_bytes": String(memory),
        "pids.max": String(pids),
        "cpu.cfs_period_us": String(periodMicroseconds),
        "cpu.cfs_quota_us": String(quota),
      };
}

/** Of all processors, whatever the limit: what one learner's pods burn leaves the machine answering. */
const share = 0.9;

/**
 * Removes the group, ending what still runs in it. A group that is not there is a success. Throws LabError `timeout` when
 * a process does not end.
 */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  await waitUntil(
    async () => {
      const left = await cgroupMembers(cgroup);
      if (left.size > 0) await endAll(cgroup, left);
      // A process that ends is listed no more some time before its group can be removed.
      else for (const folder of Object.values(cgroup.folders)) await removeTree(folder);
      const present = await presentFolders(cgroup);
      if (present.length === 0) return { done: true, value: undefined };
      return { done: false, because: left.size > 0 ? `${left.size} processes still run.` : `${present.join(", ")} cannot be removed.` };
    },
    { what: "the processes of a removed node to end", timeoutSeconds: 15, intervalMs: 20, remedy: "Run the command again." },
  );
  // The folders above are shared with other labs, and go with the last of them.
  for (const folder of Object.values(cgroup.folders)) {
    for (let parent = join(folder, ".."); parent.includes("/gitops-lab"); parent = join(parent, ".."))
      if (!(await tryRemove(parent))) break;
  }
}

/** Every process in the group. */
export async function cgroupMembers({ folders }: Cgroup): Promise<ReadonlySet<number>> {
  return new Set((await Promise.all(Object.values(folders).map(membersOf))).flat());
}

/** The group's folders that still exist. */
export async function presentFolders({ folders }: Cgroup): Promise<string[]> {
  const present = await Promise.all(
    Object.values(folders).map(async (folder) => ((await subfolders(folder)) === undefined ? [] : [folder])),
  );
  return present.flat();
}

async function membersOf(folder: string): Promise<number[]> {
  const own = ((await readIfExists(join(folder, "cgroup.procs")).catch(() => undefined)) ?? "").split("\n").filter(Boolean).map(Number);
  const below = await Promise.all(((await subfolders(folder)) ?? []).map((name) => membersOf(join(folder, name))));
  return [...own, ...below.flat()];
}

async function removeTree(folder: string): Promise<void> {
  for (const name of (await subfolders(folder)) ?? []) await removeTree(join(folder, name));
  await tryRemove(folder);
}

async function subfolders(folder: string): Promise<string[] | undefined> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  return entries?.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function tryRemove(folder: string): Promise<boolean> {
  return rmdir(folder).then(
    () => true,
    () => false,
  );
}

/** With version 2 the kernel ends a whole group at once, and what it forks meanwhile; since Linux 5.14. */
async function endAll({ version, folders }: Cgroup, members: ReadonlySet<number>): Promise<void> {
  if (version === 2 && (await tryWrite(join(folders["unified"] ?? "", "cgroup.kill"), "1"))) return;
  for (const pid of members) end(pid);
}

/** Writes to a file that is there. */
async function tryWrite(path: string, text: string): Promise<boolean> {
  return writeFile(path, text, { flag: "r+" }).then(
    () => true,
    () => false,
  );
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
