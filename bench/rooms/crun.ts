import { copyFile, mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../shared/exec.ts";
import { waitUntil } from "../../shared/wait.ts";
import type { Candidate, Ground } from "./ground.ts";

const lacks = [
  "doors: its network has no way in or out, so a program like lab-room's outer half is needed beside it",
  "adoption: whether a container runs can be asked by its name, how it ended only whoever waited for it knows",
];

/** One container a learner, whose first process is a pause, and `crun exec` for each program. */
export const crunExec: Candidate = {
  name: "crun, one container and exec",
  lacks: [
    "a view for each program: what is executed sees what the container sees",
    "an exit code without a process that waits for each program",
    ...lacks,
  ],
  version,
  async open(ground) {
    const crun = await prepare(ground);
    await bundle(ground, "room", ["/sleeper"], []);
    await crun(["run", "--detach", "--bundle", join(ground.folder, "room"), id("room")]);
    return {
      start: async (_name, args) => (await crun(["exec", id("room"), "/sleeper", ...args], false)).exitCode,
      end: async () => void (await crun(["delete", "--force", id("room")])),
    };
  },
};

/** A container a program, as a pod has: all but the first join its namespaces, and each has a view of its own. */
export const crunPod: Candidate = {
  name: "crun, a container a program",
  lacks: ["an exit code without a process that waits for each program", ...lacks],
  version,
  async open(ground) {
    const crun = await prepare(ground);
    await bundle(ground, "room", ["/sleeper"], []);
    await crun(["run", "--detach", "--bundle", join(ground.folder, "room"), id("room")]);
    const state = await crun(["state", id("room")]);
    const { pid } = JSON.parse(state.stdout) as { pid: number };
    const ended: Promise<unknown>[] = [];
    return {
      async start(name, args) {
        const joined = ["user", "pid", "net", "ipc", "uts", "cgroup"].map((kind) => ({
          type: kind === "net" ? "network" : kind,
          path: `/proc/${pid}/ns/${kind}`,
        }));
        await bundle(ground, name, ["/sleeper", ...args], joined);
        const container = crun(["run", "--bundle", join(ground.folder, name), id(name)], false);
        ended.push(container);
        return (await container).exitCode;
      },
      async end() {
        // The kernel ends all processes of the namespace with its first, and whoever waits for one removes its container.
        await crun(["delete", "--force", id("room")]);
        await Promise.all(ended);
      },
    };
  },
};

const group = "gitops-lab-bench";
const id = (name: string) => `gitops-lab-bench-${name}`;

async function version(): Promise<string | undefined> {
  const { stdout } = await run("crun", ["--version"], { reject: false });
  return /^crun version (\S+)/m.exec(stdout ?? "")?.[1];
}

/**
 * How to call crun. With controllers in both of a machine's hierarchies this one refuses everything: then it is called where the
 * second is not to be seen, which nsenter takes it to in some two milliseconds.
 */
async function prepare(ground: Ground) {
  await mkdir(ground.folder);
  const unified = await readFile("/sys/fs/cgroup/unified/cgroup.controllers", "utf8").catch(() => "");
  let before: string[] = [];
  if (unified.trim() !== "") {
    before = ["nsenter", `--mount=/proc/${(elsewhere ??= await hideUnified()).pid}/ns/mnt`];
  }
  const [command = "", ...rest] = [...before, "crun", "--root", join(ground.folder, "state"), "--cgroup-manager", "cgroupfs"];
  return async (args: readonly string[], reject = true) => {
    // No pipe to wait for: what is detached would keep it open.
    const quiet = args.includes("--detach") || args[0] === "exec" || (args[0] === "run" && !reject);
    const { exitCode, stdout } = await run(command, [...rest, ...args], {
      reject,
      stdio: quiet ? "ignore" : ["ignore", "pipe", "inherit"],
    });
    return { exitCode, stdout: String(stdout ?? "") };
  };
}

let elsewhere: { readonly pid: number; readonly end: () => void } | undefined;

async function hideUnified() {
  const holder = run("unshare", ["--mount", "sh", "-c", "umount /sys/fs/cgroup/unified && exec sleep infinity"], {
    reject: false,
    stdin: "ignore",
  });
  const pid = holder.pid!;
  await waitUntil(
    async () =>
      (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")) === "sleep\n"
        ? { done: true, value: undefined }
        : { done: false, because: "not yet." },
    { what: "a mount namespace for crun", timeoutSeconds: 10, intervalMs: 5, remedy: "" },
  );
  return { pid, end: () => holder.kill("SIGKILL") };
}

/** Ends what `prepare` has started, and removes the groups above the containers', which crun leaves. */
export async function endPreparation(): Promise<void> {
  elsewhere?.end();
  for (const hierarchy of [".", ...(await readdir("/sys/fs/cgroup").catch(() => []))]) {
    await rmdir(join("/sys/fs/cgroup", hierarchy, group)).catch(() => undefined);
  }
}

async function bundle(ground: Ground, name: string, args: readonly string[], joined: readonly object[]): Promise<void> {
  const folder = join(ground.folder, name);
  const root = join(folder, "rootfs");
  await rm(folder, { recursive: true, force: true });
  for (const one of ["proc", "dev", "shared"]) await mkdir(join(root, one), { recursive: true });
  await copyFile(ground.program, join(root, "sleeper"));
  const isRoom = joined.length === 0;
  const own = ["user", "pid", "network", "ipc", "uts", "cgroup"].map((type) => ({ type }));
  const ids = [{ containerID: 0, hostID: ground.uid === 0 ? process.getuid!() : ground.uid, size: 1 }];
  const config = {
    ociVersion: "1.0.2",
    process: { user: { uid: 0, gid: 0 }, args, cwd: "/", env: [], noNewPrivileges: true, capabilities: {} },
    root: { path: "rootfs", readonly: true },
    ...(isRoom && { hostname: "lab" }),
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=64k"] },
      { destination: "/shared", type: "none", source: ground.shared, options: ["bind", "rw"] },
    ],
    linux: {
      cgroupsPath: `/${group}/${name}`,
      namespaces: [{ type: "mount" }, ...(isRoom ? own : joined)],
      ...(isRoom && { uidMappings: ids, gidMappings: ids }),
    },
  };
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
}
