import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ExitCode, LabError } from "../shared/errors.ts";
import { programFolders } from "../shared/environment.ts";
import { run } from "../shared/exec.ts";
import { cacheHome } from "../shared/paths.ts";
import { isProgram } from "./locate.ts";

/** The packages that a real node's programs are in, as Debian and its relatives name them. */
const packages = ["containerd", "runc", "containernetworking-plugins", "iptables"] as const;

/** What of them a node runs: each file in one of its folders below /usr. */
const programs = {
  containerd: ["bin/containerd"],
  "containerd-shim-runc-v2": ["bin/containerd-shim-runc-v2"],
  ctr: ["bin/ctr"],
  runc: ["sbin/runc", "bin/runc"],
  "container network plugins": ["lib/cni/ptp"],
  iptables: ["sbin/xtables-nft-multi", "sbin/iptables"],
} as const;

/** Folder that the packages are unpacked to. */
export function nodePackagesFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheHome(env), "node-packages", systemName());
}

/**
 * The folders that a node's /usr is made of, the first before the others: the unpacked packages, as far as the system
 * lacks them, and the system's own.
 */
export function usrLayers(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const unpacked = join(nodePackagesFolder(env), "usr");
  return existsSync(unpacked) ? [unpacked, "/usr"] : ["/usr"];
}

/** Whether a node would find every program it needs. */
export async function hasNodePackages(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  return (await missingPrograms(env)).length === 0;
}

/** The programs of the packages that are neither installed nor unpacked. */
export async function missingPrograms(env: NodeJS.ProcessEnv = process.env): Promise<readonly string[]> {
  const layers = usrLayers(env);
  const missing: string[] = [];
  for (const [name, files] of Object.entries(programs)) {
    const places = layers.flatMap((layer) => files.map((file) => join(layer, file)));
    if (!(await Promise.all(places.map(isProgram))).includes(true)) missing.push(name);
  }
  return missing;
}

/** Whether the packages could be fetched here. */
export async function canFetchPackages(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const has = async (program: string) =>
    (await Promise.all(programFolders(env).map((folder) => isProgram(join(folder, program))))).includes(true);
  return (await has("apt-get")) && (await has("dpkg-deb"));
}

/**
 * Fetches what the system lacks of the packages, checked against its package lists, and unpacks it into the folder.
 * Nothing is installed, so no service is started and nothing of the system's own is touched. Throws LabError
 * `packages-missing`.
 */
export async function unpackNodePackages(folder: string): Promise<void> {
  const archives = join(folder, "archives");
  await mkdir(join(archives, "partial"), { recursive: true });
  const fetched = await fetchPackages(archives);
  if (fetched.failed) {
    // A machine that was just set up has no package lists yet.
    await run("apt-get", ["update"], { reject: false, stdin: "ignore" });
    const again = await fetchPackages(archives);
    if (again.failed) throw failure(again.stderr || (again.shortMessage ?? ""));
  }
  for (const file of (await readdir(archives)).filter((name) => name.endsWith(".deb"))) {
    await run("dpkg-deb", ["--extract", join(archives, file), folder], { stdin: "ignore" });
  }
  await mergeIntoUsr(folder);
  await rm(archives, { recursive: true });
  await rm(join(folder, "etc"), { recursive: true, force: true });
}

async function fetchPackages(archives: string) {
  const options = [`Dir::Cache::archives=${archives}`, "Debug::NoLocking=true", "APT::Sandbox::User=root"].flatMap((option) => [
    "-o",
    option,
  ]);
  return run("apt-get", ["install", "--yes", "--no-install-recommends", "--download-only", ...options, ...packages], {
    env: { DEBIAN_FRONTEND: "noninteractive" },
    reject: false,
    stdin: "ignore",
  });
}

/** Packages from before /bin and /lib became links into /usr have files beside it. */
async function mergeIntoUsr(folder: string): Promise<void> {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    const beside = join(folder, name);
    if (!existsSync(beside)) continue;
    await cp(beside, join(folder, "usr", name), { recursive: true, verbatimSymlinks: true });
    await rm(beside, { recursive: true });
  }
}

/** E.g. `debian-12-x64`: packages of one system are of no use on another. */
function systemName(): string {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const field = (name: string) => new RegExp(`^${name}="?([\\w.-]+)`, "m").exec(release)?.[1] ?? "unknown";
  return `${field("ID")}-${field("VERSION_ID")}-${process.arch}`;
}

function failure(output: string): LabError {
  const reason = output.trim().split("\n").at(-1);
  return new LabError(
    "packages-missing",
    `Pods that run for real need the packages ${packages.join(", ")}, and apt-get could not fetch them: ${reason}. Mend that, or install them, and run the command again; or set \`cluster.nodes: simulated\` in the cohort file.`,
    { exitCode: ExitCode.badInput },
  );
}
