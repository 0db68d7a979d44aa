import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../shared/errors.ts";
import { run } from "../../shared/exec.ts";
import { inHome } from "../../shared/lab-home.ts";
import { makeScratchFolder } from "../../shared/scratch.ts";
import { canFetchPackages, missingPrograms } from "../../tools/node-packages.ts";
import { cgroupRoot, planCgroup, type Cgroup } from "../room/cgroups.ts";

/** One thing that pods which run for real need of the machine. */
export interface Condition {
  readonly name: string;
  readonly met: boolean;
  /** What was found. */
  readonly found: string;
}

/** What `assess` judges, as it was found on a machine. An empty string says that a trial went well, any other why not. */
export interface HostFacts {
  readonly platform: string;
  readonly arch: string;
  readonly uid: number;
  /** Effective capabilities of this process, as in /proc/<pid>/status. */
  readonly capabilities: bigint;
  readonly namespaces: string;
  readonly overlay: string;
  readonly cgroups: string;
  /** Programs of the container runtime that are neither installed nor unpacked. */
  readonly missingPrograms: readonly string[];
  readonly canFetchPackages: boolean;
}

/** Bits from linux/capability.h. */
const neededCapabilities = { CAP_SYS_ADMIN: 21n, CAP_NET_ADMIN: 12n, CAP_MKNOD: 27n, CAP_SYS_CHROOT: 18n, CAP_SETUID: 7n };

/** What real pods need, and whether it is there. Pure. */
export function assess(facts: HostFacts): readonly Condition[] {
  const lacking = Object.entries(neededCapabilities).flatMap(([name, bit]) => ((facts.capabilities >> bit) & 1n ? [] : [name]));
  const trial = (name: string, trouble: string): Condition => ({
    name,
    met: trouble === "",
    found: trouble === "" ? "tried, works" : trouble,
  });
  return [
    {
      name: "Linux on x64 or arm64",
      met: facts.platform === "linux" && ["x64", "arm64"].includes(facts.arch),
      found: `${facts.platform} on ${facts.arch}`,
    },
    { name: "root", met: facts.uid === 0, found: `user ${facts.uid}` },
    {
      name: "capabilities",
      met: lacking.length === 0,
      found: lacking.length === 0 ? "all that are needed" : `without ${lacking.join(", ")}`,
    },
    trial("namespaces", facts.namespaces),
    trial("overlayfs", facts.overlay),
    trial("control groups", facts.cgroups),
    {
      name: "container runtime",
      met: facts.missingPrograms.length === 0 || facts.canFetchPackages,
      found:
        facts.missingPrograms.length === 0
          ? "installed or unpacked"
          : facts.canFetchPackages
            ? "will be unpacked from the system's packages"
            : `no ${facts.missingPrograms.join(", ")}, and no apt-get to fetch them with`,
    },
  ];
}

/** Looks whether pods can run for real on this machine, by trying. Leaves nothing behind. */
export async function preflight(): Promise<readonly Condition[]> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const capabilities = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const uid = process.getuid?.() ?? -1;
  // Who is not root can try nothing; that he is not is said.
  const tried = async (trial: () => Promise<void>) => (uid === 0 ? troubleOf(trial) : "cannot be tried without root");
  return assess({
    platform: process.platform,
    arch: process.arch,
    uid,
    capabilities,
    namespaces: await tried(tryNamespaces),
    overlay: await tried(tryOverlay),
    cgroups: await tried(tryCgroups),
    missingPrograms: await missingPrograms(),
    canFetchPackages: await canFetchPackages(),
  });
}

/** Why a trial failed, in the last line of what it said; empty where it went well. */
export async function troubleOf(trial: () => Promise<void>): Promise<string> {
  try {
    await trial();
    return "";
  } catch (error) {
    const stderr = (error as { stderr?: unknown }).stderr;
    return (typeof stderr === "string" && stderr !== "" ? stderr : messageOf(error)).trim().split("\n").at(-1) ?? "failed";
  }
}

async function tryNamespaces(): Promise<void> {
  await run("unshare", ["--net", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "true"], { stdin: "ignore" });
}

/** On the file system that the labs' containers will be on. */
function tryOverlay(): Promise<void> {
  return inHome(async (home) => {
    const folder = await makeScratchFolder("overlay", home);
    try {
      for (const name of ["lower", "upper", "work", "merged"]) await mkdir(join(folder, name));
      await run("unshare", ["--mount", "mount", "-t", "overlay", "overlay", "-o", "lowerdir=lower,upperdir=upper,workdir=work", "merged"], {
        cwd: folder,
        stdin: "ignore",
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
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
