import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cohortPaths, homeMark, type LearnerPaths } from "../../shared/paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { readState } from "../../shared/state-file.ts";
import { troubleOfRoot } from "./trials.ts";
import { recordCreation, type Thing } from "../../ledger/inventory.ts";
import { ownership } from "../../ledger/ownership.ts";
import { commandName, findMarked, identify, namespacesOf } from "../../ledger/process-identity.ts";
import type { RoomConfig } from "./config.ts";
import { Cgroup, cgroupMembers, planCgroup, presentFolders, removeCgroup } from "./cgroups.ts";

/** In the second place a version before had it, which knew groups of real nodes alone. */
const files = (paths: LearnerPaths) => [join(paths.cluster, "cgroup.json"), join(paths.cluster, "node", "cgroup.json")] as const;

/** The control group of everything that is a learner's; undefined where there is none. */
export async function cgroupOf(paths: LearnerPaths): Promise<Cgroup | undefined> {
  for (const file of files(paths)) {
    const found = await readState(file, Cgroup, { orElse: undefined });
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Plans a learner's group, once: all processes stay in the group that the first ones were put into. Undefined where this
 * account can make none, as without root.
 */
export async function ensureCgroup(cohort: string, learner: string, paths: LearnerPaths): Promise<Cgroup | undefined> {
  const present = await cgroupOf(paths);
  if (present !== undefined) return present;
  const planned = await planCgroup(join(cohortGroup(cohort), learner));
  if (!(await canMake(planned))) return undefined;
  const groups = Object.values(planned.folders).flatMap((folder): Thing[] => [
    { kind: "control-group", id: dirname(folder) },
    { kind: "control-group", id: folder, learner },
  ]);
  await recordCreation(cohort, ...groups);
  await writePrivateFile(files(paths)[0], JSON.stringify(planned, null, 2));
  return planned;
}

/** The group of what a cohort shares, with its limits; undefined where none can be made. */
export async function sharedCgroup(cohort: string): Promise<RoomConfig["cgroup"] | undefined> {
  const planned = await planCgroup(join(cohortGroup(cohort), sharedGroup));
  if (!(await canMake(planned))) return undefined;
  await recordCreation(
    cohort,
    ...Object.values(planned.folders).flatMap((folder): Thing[] => [
      { kind: "control-group", id: dirname(folder) },
      { kind: "control-group", id: folder },
    ]),
  );
  return { ...planned, limits: sharedLimits(planned.version) };
}

/** No learner's: ids have no underscore. */
const sharedGroup = "_host";

/** Of registry, Git server and pipeline: what ten learners who push at once ask for, and a quarter of a small machine. */
function sharedLimits(version: 1 | 2): Record<string, string> {
  const bytes = String(3 * 1024 ** 3);
  return { [version === 2 ? "memory.max" : "memory.limit_in_bytes"]: bytes, "pids.max": "2048" };
}

/** Tried beside the lab's groups, which are made when the first process goes in. */
async function canMake({ version, folders }: Cgroup): Promise<boolean> {
  if (Object.keys(folders).length === 0) return false;
  for (const folder of Object.values(folders)) {
    const place = dirname(dirname(dirname(folder)));
    const trial = join(place, `gitops-lab-trial-${randomUUID()}`);
    try {
      if (version === 2 && (await troubleOfPlace(place)) !== "") return false;
      await mkdir(trial);
      await rmdir(trial);
    } catch {
      return false;
    }
  }
  return true;
}

/** Why a group below this one could not have the limits of a room, with version 2; empty where it could. */
async function troubleOfPlace(place: string): Promise<string> {
  const words = async (file: string) => (await readFile(join(place, file), "utf8")).split(/\s+/).filter(Boolean);
  const facts = {
    controllers: await words("cgroup.controllers"),
    handedDown: await words("cgroup.subtree_control"),
    isMachines: !existsSync(join(place, "cgroup.type")),
    hasProcesses: (await words("cgroup.procs")).length > 0,
  };
  return troubleOfRoot(facts, ["cpu", "memory", "pids"]);
}

/** Removes a learner's group, and ends what still runs in it. */
export async function removeGroup(paths: LearnerPaths): Promise<void> {
  const cgroup = await cgroupOf(paths);
  if (cgroup !== undefined) await removeCgroup(cgroup);
}

/** Removes the groups of a whole cohort, also of learners whose folders are gone. */
export async function removeGroups(cohort: string): Promise<void> {
  const paths = cohortPaths(cohort);
  const { root, learner } = paths;
  if ((await ownership(paths)) === "own")
    for (const id of await readdir(join(root, "learners")).catch(() => [])) await removeGroup(learner(id));
  await removeCgroup(await planCgroup(cohortGroup(cohort)));
}

/**
 * What a cohort's rooms have that only a look at them tells: the processes in their control groups and the namespaces
 * these are in. For a teardown to look for afterwards.
 */
export async function roomThings(cohort: string): Promise<Thing[]> {
  const group = await planCgroup(cohortGroup(cohort));
  const marked = new Set(findMarked(cohortPaths(cohort).daemon).map(({ identity }) => identity.pid));
  const members = [...(await cgroupMembers(group))].flatMap((pid) => identify(pid) ?? []);
  const processes = members.flatMap((identity): Thing[] =>
    marked.has(identity.pid)
      ? []
      : [
          {
            kind: "process",
            id: `${identity.bootId}/${identity.pid}/${identity.startTime}`,
            name: `of a room, ${commandName(identity.pid) ?? "unnamed"}`,
            identity,
          },
        ],
  );
  const namespaces = new Map(
    members.flatMap((identity) => namespacesOf(identity.pid).map((id): [string, Thing] => [id, { kind: "namespace", id, identity }])),
  );
  const groups = (await presentFolders(group)).map((id): Thing => ({ kind: "control-group", id }));
  return [...processes, ...namespaces.values(), ...groups];
}

/** Group names are the whole machine's, and another lab home may have a cohort of that name. */
function cohortGroup(cohort: string): string {
  return join("gitops-lab", `${homeMark()}-${cohort}`);
}
