import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import type { Limits } from "../../shared/limits.ts";
import type { CohortPaths, LearnerPaths } from "../../shared/paths.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { toolPath } from "../../tools/locate.ts";
import type { ProcessSpec } from "../processes/process-table.ts";
import { limitsOf } from "../limits/stored.ts";
import { learnerWay } from "../processes/ways.ts";
import { limits } from "./cgroups.ts";
import type { RoomConfig } from "./config.ts";
import { ensureCgroup } from "./groups.ts";
import { leaseNumbers } from "./numbers.ts";

export interface RoomOptions {
  readonly cohort: string;
  readonly learner: string;
  readonly paths: CohortPaths;
  /** Loopback ports, the same in the room and outside: the learner's API server, and where it finds Git and images. */
  readonly ports: { readonly api: number; readonly http: number; readonly registry: number };
}

/** What the room is started from. */
export const roomFile = ({ cluster }: LearnerPaths) => join(cluster, "room", "room.json");
/** What a real node is started from, which is a room, too. */
export const nodeFile = ({ cluster }: LearnerPaths) => join(cluster, "node", "node.json");

/** Where the programs of a learner's room are asked for. Short: a Unix socket's path has 107 bytes. */
export function roomSocket(paths: CohortPaths, learner: string): string {
  return join(paths.daemon, `${createHash("sha256").update(learner).digest("hex").slice(0, 10)}.s`);
}

/** The process that makes a learner's room and keeps its doors. Whatever runs in the room ends with it. */
export async function roomProcess({ cohort, learner, paths, ports }: RoomOptions): Promise<ProcessSpec> {
  const own = paths.learner(learner);
  const file = roomFile(own);
  const folder = await makePrivateFolder(dirname(file));
  const cgroup = await ensureCgroup(cohort, learner, own);
  const most = await limitsOf(paths);
  const loopback = (port: number) => `127.0.0.1:${port}`;
  const config: RoomConfig = {
    hostname: "lab",
    uid: (await leaseNumbers(`${cohort}/${learner}`)).room,
    ids: 1,
    socket: roomSocket(paths, learner),
    ...(cgroup && { cgroup: { ...cgroup, limits: limits(cgroup.version, availableParallelism(), most) } }),
    group: "room",
    network: {
      in: [{ from: loopback(ports.api), to: loopback(ports.api) }],
      out: [
        { from: loopback(ports.http), to: learnerWay(paths, learner, "http") },
        { from: loopback(ports.registry), to: learnerWay(paths, learner, "registry") },
      ],
    },
    userLimits: userLimits(most),
  };
  await writePrivateFile(file, JSON.stringify(config, null, 2));
  return {
    name: `${learner}/room`,
    owner: learner,
    command: await toolPath("lab-room"),
    args: ["run", file],
    env: {},
    cwd: folder,
    logFile: join(own.logs, "room.log"),
  };
}

/** Of what the kernel counts for each user: enough for what a lab runs, and little of what a machine has. */
export const userLimits = ({ inotify }: Pick<Limits, "inotify">) => ({
  max_inotify_instances: String(inotify),
  max_inotify_watches: String(128 * inotify),
});
