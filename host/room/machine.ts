import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rmdir } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { run } from "../../shared/exec.ts";
import { z } from "zod";
import { inHome } from "../../shared/lab-home.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { locate } from "../../tools/locate.ts";
import { handedOverGroup } from "./cgroups.ts";
import { idsThere } from "./ids.ts";
import { troubleOf, tryCgroups } from "./trials.ts";
import { assessRoom, roomKind, type RoomCondition, type RoomFacts, type RoomKind, type RoomTrial } from "./preflight.ts";

/** Which room this machine can make. */
export interface RoomFinding {
  readonly kind: RoomKind;
  /** What keeps it from a better one. */
  readonly because: readonly RoomCondition[];
  readonly conditions: readonly RoomCondition[];
  /** Who tried; undefined where nobody could, so that `none` says only that it is not known yet. */
  readonly triedBy?: RoomTrial["by"];
}

/** Looks which room this machine can make, by trying. Leaves nothing behind and throws nothing. */
export async function findRoom(probe: () => Promise<RoomTrial | undefined> = probeRoom): Promise<RoomFinding> {
  return findingOf(await roomFacts(probe));
}

/** What was found, judged. Pure. */
export function findingOf(facts: RoomFacts): RoomFinding {
  const triedBy = facts.trial?.by;
  return { ...roomKind(facts), conditions: assessRoom(facts), ...(triedBy && { triedBy }) };
}

async function roomFacts(probe: () => Promise<RoomTrial | undefined>): Promise<RoomFacts> {
  const setting = async (path: string) => {
    const text = await readSystemFile(`/proc/sys/${path}`);
    return text === "" ? undefined : Number(text);
  };
  const status = await readSystemFile("/proc/self/status");
  const [maxUserNamespaces, unprivilegedUsernsClone, apparmorRestrictUserns] = await Promise.all([
    setting("user/max_user_namespaces"),
    setting("kernel/unprivileged_userns_clone"),
    setting("kernel/apparmor_restrict_unprivileged_userns"),
  ]);
  return {
    platform: process.platform,
    kernel: release(),
    uid: process.getuid?.() ?? -1,
    capabilities: BigInt(`0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`),
    ids: idsThere(await readSystemFile("/proc/self/uid_map")),
    container: await containerHere(),
    settings: {
      ...(maxUserNamespaces !== undefined && { maxUserNamespaces }),
      ...(unprivilegedUsernsClone !== undefined && { unprivilegedUsernsClone }),
      ...(apparmorRestrictUserns !== undefined && { apparmorRestrictUserns }),
    },
    cgroups: cgroupVersion(await readSystemFile("/proc/self/mountinfo")),
    trial: process.platform === "linux" ? await probe() : undefined,
  };
}

/** Version of the control groups in /proc/<pid>/mountinfo: 2 only where they are alone. Pure. */
export function cgroupVersion(mountinfo: string): 1 | 2 | undefined {
  const types = mountinfo.split("\n").flatMap((line) => / \/sys\/fs\/cgroup\S* .* - (cgroup2?) /.exec(line)?.[1] ?? []);
  return types.includes("cgroup") ? 1 : types.includes("cgroup2") ? 2 : undefined;
}

async function containerHere(): Promise<string | undefined> {
  if (process.env["KUBERNETES_SERVICE_HOST"] !== undefined) return "kubernetes";
  if (existsSync("/run/.containerenv")) return "podman";
  if (existsSync("/.dockerenv")) return "docker";
  // Written by systemd in a container: https://systemd.io/CONTAINER_INTERFACE. The other is for root's eyes alone.
  const told =
    (await readSystemFile("/run/systemd/container")).trim() ||
    /(?:^|\0)container=([^\0]+)/.exec(await readSystemFile("/proc/1/environ"))?.[1];
  return told === "lxc-libvirt" ? "lxc" : told;
}

/** The file's text; empty where it is not there or not for us. */
async function readSystemFile(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

/** Tries the parts of a room one by one. Undefined where there is nothing to try with. */
export async function probeRoom(): Promise<RoomTrial | undefined> {
  const program = await locate("lab-room");
  return program === undefined ? byUnshare() : byLabRoom(program.path);
}

const Probe = z.object({
  userNamespace: z.string(),
  mounts: z.string(),
  network: z.string(),
  proc: z.string(),
  idmap: z.string(),
  seccomp: z.string(),
});

/** Whether the lab's folder can be shown in a room as the room's own, so that what is put there later is readable in it. */
export async function showsFilesAsOwn(): Promise<boolean> {
  const trial = await probeRoom();
  return trial?.by === "lab-room" && trial.idmap === "";
}

async function byLabRoom(program: string): Promise<RoomTrial> {
  const cgroup = await troubleOf(process.getuid?.() === 0 ? () => tryCgroups(roomControllers) : tryDelegatedGroup);
  const result = await inHome((home) =>
    run(program, ["probe", home], { stdin: "ignore", timeout: 20_000, reject: false, env: {}, extendEnv: false }),
  );
  const found = result.failed ? undefined : Probe.parse(JSON.parse(result.stdout));
  const trouble = (result.stderr || (result.shortMessage ?? "")).trim().split("\n").at(-1) ?? "";
  return { by: "lab-room", cgroup, ...(found ?? { userNamespace: trouble, mounts: trouble, network: trouble, seccomp: trouble }) };
}

async function byUnshare(): Promise<RoomTrial | undefined> {
  const unshare = async (...args: string[]) => {
    await run("unshare", ["--user", "--map-root-user", ...args], { stdin: "ignore", timeout: 10_000 });
  };
  const isMissing = await unshare("true").then(
    () => false,
    (error: unknown) => (error as { code?: unknown }).code === "ENOENT",
  );
  if (isMissing) return undefined;
  const [userNamespace, mounts, network, proc, cgroup] = await Promise.all([
    troubleOf(() => unshare("true")),
    troubleOf(() => unshare("--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp")).then(orUntried),
    troubleOf(() => unshare("--net", "--ipc", "--uts", "true")),
    troubleOf(() => unshare("--mount", "--pid", "--fork", "--mount-proc", "true")),
    troubleOf(process.getuid?.() === 0 ? () => tryCgroups(roomControllers) : tryDelegatedGroup),
  ]);
  const seccomp = /^Seccomp:/m.test(await readSystemFile("/proc/self/status")) ? "" : "the kernel has none";
  return { by: "unshare", userNamespace, mounts, network, proc, cgroup, seccomp };
}

/** A trial that could not begin, since there is no `mount` on a small system, says nothing. */
const orUntried = (trouble: string) => (/failed to execute/.test(trouble) ? undefined : trouble);

const roomControllers = ["cpu", "memory", "pids"];

/** A group within the topmost that is this user's, which a systemd of version 2 has handed over. */
async function tryDelegatedGroup(): Promise<void> {
  const own = await readSystemFile("/proc/self/cgroup");
  if (cgroupVersion(await readSystemFile("/proc/self/mountinfo")) !== 2) throw new Error("no group of version 2");
  const group = await handedOverGroup(own);
  if (group === undefined) throw new Error("no group was handed to this user");
  const has = ((await readIfExists(join(group, "cgroup.controllers"))) ?? "").trim().split(/\s+/);
  const missing = roomControllers.filter((controller) => !has.includes(controller));
  if (missing.length > 0) throw new Error(`the group that was handed to this user has no controller ${missing.join(", ")}`);
  const trial = join(group, `gitops-lab-trial-${process.pid}-${randomUUID()}`);
  await mkdir(trial);
  await rmdir(trial);
}
