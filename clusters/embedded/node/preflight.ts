import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../../shared/exec.ts";
import { inHome } from "../../../shared/lab-home.ts";
import { makeScratchFolder } from "../../../shared/scratch.ts";
import { canFetchPackages, missingPrograms } from "../../../tools/node-packages.ts";
import { troubleOf, tryCgroups, type Condition } from "../../../host/room/trials.ts";

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
