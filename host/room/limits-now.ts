import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import type { Limits } from "../../shared/limits.ts";
import type { CohortPaths, LearnerPaths } from "../../shared/paths.ts";
import { readIfExists, writePrivateFile } from "../../shared/private-files.ts";
import { limits, type Cgroup } from "./cgroups.ts";
import { cgroupOf } from "./groups.ts";
import { userLimits } from "./room.ts";

/**
 * Has limits hold for the labs that run: of their control groups at once, and of what the kernel counts for a user from the
 * next start of a room. A group that uses more than it may have from now on keeps what it had until then.
 */
export async function limitNow(paths: CohortPaths, most: Limits): Promise<void> {
  const learners = await readdir(dirname(paths.learner("any").root)).catch(() => []);
  for (const learner of learners) {
    const own = paths.learner(learner);
    const cgroup = await cgroupOf(own);
    const values = cgroup && limits(cgroup.version, availableParallelism(), most);
    if (cgroup && values) await writeTo(cgroup, values);
    await writeToRooms(own, { ...(values && { values }), userLimits: userLimits(most) });
  }
}

async function writeTo({ version, folders }: Cgroup, values: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, value] of Object.entries(values)) {
    const controller = file.split(".")[0]!;
    const folder =
      version === 2 ? folders["unified"] : Object.entries(folders).find(([names]) => names.split(",").includes(controller))?.[1];
    const path = folder && join(folder, file);
    if (path === undefined || !existsSync(path)) continue;
    // EBUSY: it can't be made to fit.
    await writeFile(path, value, { flag: "r+" }).catch(() => undefined);
  }
}

interface RoomFile {
  cgroup?: { limits: Record<string, string> };
  userLimits?: Record<string, string>;
}

/** What a room is started with the next time, by whomever. */
async function writeToRooms(
  own: LearnerPaths,
  now: { readonly values?: Readonly<Record<string, string>>; readonly userLimits: Readonly<Record<string, string>> },
): Promise<void> {
  for (const file of [join(own.cluster, "room", "room.json"), join(own.cluster, "node", "node.json")]) {
    const text = await readIfExists(file);
    if (text === undefined) continue;
    const room = JSON.parse(text) as RoomFile;
    if (room.cgroup && now.values) room.cgroup.limits = { ...now.values };
    if (room.userLimits) room.userLimits = { ...now.userLimits };
    await writePrivateFile(file, JSON.stringify(room, null, 2));
  }
}
