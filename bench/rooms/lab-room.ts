import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { availableParallelism } from "node:os";
import { limits, planCgroup, removeCgroup } from "../../host/room/cgroups.ts";
import type { RoomConfig } from "../../host/room/config.ts";
import { userLimits } from "../../host/room/room.ts";
import { startInRoom } from "../../host/processes/start-in-room.ts";
import { defaultLimits } from "../../shared/limits.ts";
import { run } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";
import { ownCopy, type Candidate } from "./ground.ts";

/** Our own, as host/room makes it for a learner: with a group, limits and doors, which the others go without. */
export const labRoom: Candidate = {
  name: "lab-room",
  lacks: ["it is ours: some 2000 lines of Go to keep"],
  version: async () => "this tree's",
  async open(ground) {
    await mkdir(ground.folder);
    const command = await ownCopy(await toolPath("lab-room"), ground.folder);
    const socket = join(ground.folder, "room.s");
    const group = process.getuid?.() === 0 ? await planCgroup(join("gitops-lab", "bench-rooms")) : undefined;
    const config: RoomConfig = {
      hostname: "lab",
      uid: ground.uid,
      ids: 1,
      socket,
      ...(group && { cgroup: { ...group, limits: limits(group.version, availableParallelism(), defaultLimits) } }),
      group: "room",
      network: {
        in: [{ from: "127.0.0.1:29999", to: "127.0.0.1:29999" }],
        out: ["29997", "29998"].map((port) => ({ from: `127.0.0.1:${port}`, to: join(ground.folder, port) })),
      },
      userLimits: userLimits(defaultLimits),
    };
    const file = join(ground.folder, "room.json");
    await writeFile(file, JSON.stringify(config));
    const room = run(command, ["run", file], { reject: false, stdin: "ignore", cwd: ground.folder, env: { GITOPS_LAB_PROCESS: "bench" } });
    return {
      async start(name, args) {
        const started = await startInRoom(
          {
            name,
            owner: "bench",
            command: ground.program,
            args: [...args],
            env: {},
            cwd: "/",
            logFile: join(ground.folder, `${name}.log`),
            room: {
              socket,
              view: [
                { source: ground.program, target: "/bin/sleeper", writable: false, own: false },
                { source: ground.shared, target: "/shared", writable: true, own: true },
              ],
              scratch: {},
              files: {},
              doors: [],
            },
          },
          {},
        );
        const code = /^exit code (\d+)$/.exec(await started.ended)?.[1];
        return code === undefined ? undefined : Number(code);
      },
      async end() {
        room.kill("SIGTERM");
        await room;
        if (group !== undefined) await removeCgroup(group);
      },
    };
  },
};
