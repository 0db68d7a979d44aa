import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../shared/errors.ts";
import { cgroupRoot, planCgroup, type Cgroup } from "./cgroups.ts";

/** One thing that rooms, or pods which run for real, need of the machine. */
export interface Condition {
  readonly name: string;
  readonly met: boolean;
  /** What was found. */
  readonly found: string;
}

/** Why a trial failed, in the last line of what it said; empty where it went well. */
export async function troubleOf(trial: () => Promise<void>): Promise<string> {
  try {
    await trial();
    return "";
  } catch (error) {
    const stderr = (error as { stderr?: unknown }).stderr;
    const lines = (typeof stderr === "string" && stderr !== "" ? stderr : messageOf(error)).split("\n").map((line) => line.trim());
    // mount(8) says after its reason where there may be more of it.
    return lines.findLast((line) => line !== "" && !line.startsWith("dmesg(1)")) ?? "failed";
  }
}

/** Makes a control group where a learner's would be, as root, and removes it. Throws where it could not have these controllers. */
export async function tryCgroups(controllers?: readonly string[]): Promise<void> {
  const cgroup = await planCgroup(`gitops-lab-trial-${process.pid}-${randomUUID()}`);
  const trouble = cgroup.version === 2 ? troubleOfRoot(await readRoot(), controllers) : troubleOfHierarchies(cgroup, controllers);
  if (trouble !== "") throw new Error(trouble);
  for (const folder of Object.values(cgroup.folders)) {
    await mkdir(folder);
    await rmdir(folder);
  }
}

/** The topmost group that this process sees, with version 2; words by controller. */
export interface RootGroup {
  readonly controllers: readonly string[];
  /** Those of them that the groups within have. */
  readonly handedDown: readonly string[];
  /** The machine's own may have processes and groups with limits; a container's, as every other, only one of both. */
  readonly isMachines: boolean;
  readonly hasProcesses: boolean;
}

async function readRoot(): Promise<RootGroup> {
  const words = async (file: string) => (await readFile(join(cgroupRoot, file), "utf8")).split(/\s+/).filter(Boolean);
  return {
    controllers: await words("cgroup.controllers"),
    handedDown: await words("cgroup.subtree_control"),
    // The only group without a type: cgroups(7).
    isMachines: !existsSync(join(cgroupRoot, "cgroup.type")),
    hasProcesses: (await words("cgroup.procs")).length > 0,
  };
}

/** Why a learner's group could not have the limits and a kubelet in it, with version 2; empty when it could. Pure. */
export function troubleOfRoot(
  { controllers, handedDown, isMachines, hasProcesses }: RootGroup,
  needed: readonly string[] = ["cpuset", "cpu", "memory", "pids"],
): string {
  const missing = needed.filter((controller) => !controllers.includes(controller));
  if (missing.length > 0) return `no controller ${missing.join(", ")}`;
  const kept = needed.filter((controller) => !handedDown.includes(controller));
  if (isMachines || !hasProcesses || kept.length === 0) return "";
  return `the group of this container has processes of its own and so cannot hand ${kept.join(", ")} down to others: let its init keep them in a group below, as systemd does, or run the lab outside of it`;
}

/** The same with version 1. */
export function troubleOfHierarchies(
  { folders }: Pick<Cgroup, "folders">,
  needed: readonly string[] = ["cpu", "cpuacct", "cpuset", "devices", "memory", "pids"],
): string {
  const present = Object.keys(folders).flatMap((controllers) => controllers.split(","));
  const missing = needed.filter((controller) => !present.includes(controller));
  return missing.length === 0 ? "" : `no controller ${missing.join(", ")}`;
}
