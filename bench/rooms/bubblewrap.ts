import { mkdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { run } from "../../shared/exec.ts";
import type { Candidate, Ground } from "./ground.ts";

/**
 * One bwrap for the room, whose program is a pause, and one for each program, which joins its users and processes by their
 * namespaces. For network, IPC and host name bwrap has no such option, so nsenter takes it there. A user of the room's own is
 * setpriv's work: bwrap maps nobody but its caller.
 */
export const bubblewrap: Candidate = {
  name: "bubblewrap, one a program",
  lacks: [
    "doors: its network has no way in or out, so a program like lab-room's outer half is needed beside it",
    "joining a network: nsenter has to do it",
    "files under other owners: what a learner's programs are to write has to be given to the room's user",
    "an exit code without a process that waits for each program, and is the daemon's child",
    "adoption: whether a program still runs is known by its pid, how it ended only by whoever started it",
    "control groups and limits for each user",
  ],
  async version() {
    const { stdout } = await run("bwrap", ["--version"], { reject: false });
    return /^bubblewrap (\S+)/m.exec(stdout ?? "")?.[1];
  },
  async open(ground) {
    await mkdir(ground.folder);
    const pause = ["--unshare-all", "--uid", "0", "--gid", "0", "--hostname", "lab", ...view(ground), "--info-fd", "3", "--", "/sleeper"];
    const [command = "", ...args] = [...asUser(ground), "bwrap", ...pause];
    const room = run(command, args, { reject: false, buffer: false, stdio: ["ignore", "inherit", "inherit", "pipe"] });
    const first = await childPid(room.stdio[3] as Readable);
    // bwrap wants both namespaces as open files.
    const opened = `exec "$@" 3</proc/${first}/ns/user 4</proc/${first}/ns/pid`;
    return {
      async start(_name, programArgs) {
        const inner = ["--userns", "3", "--pidns", "4", ...view(ground), "--", "/sleeper", ...programArgs];
        const joining = ["nsenter", `--target=${first}`, "--net", "--ipc", "--uts", "--", ...asUser(ground), "bwrap", ...inner];
        return (await run("sh", ["-c", opened, "sh", ...joining], { reject: false, stdio: ["ignore", "inherit", "inherit"] })).exitCode;
      },
      async end() {
        // The kernel ends every process of the namespace with its first.
        process.kill(first, "SIGKILL");
        await room;
      },
    };
  },
};

function asUser({ uid }: Ground): string[] {
  return uid === 0 ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
}

function view({ program, shared }: Ground): string[] {
  return ["--ro-bind", program, "/sleeper", "--bind", shared, "/shared", "--proc", "/proc", "--dev", "/dev"];
}

async function childPid(info: Readable): Promise<number> {
  for await (const line of createInterface({ input: info })) {
    const pid = /"child-pid": (\d+)/.exec(line)?.[1];
    if (pid !== undefined) return Number(pid);
  }
  throw new Error("bwrap did not say which process it made");
}
