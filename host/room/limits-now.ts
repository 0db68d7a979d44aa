import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Limits } from "../../shared/limits.ts";
import type { CohortPaths, LearnerPaths } from "../../shared/paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { readState } from "../../shared/state-file.ts";
import { folderOf, limits, type Cgroup } from "./cgroups.ts";
import { cgroupOf } from "./groups.ts";
import { nodeFile, roomFile, userLimits } from "./room.ts";

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
    if (values) await writeTo(cgroup, values);
    await writeToRooms(own, values, most);
  }
}

async function writeTo(group: Cgroup, values: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, value] of Object.entries(values)) {
    const folder = folderOf(group, file.split(".")[0]!);
    const path = folder && join(folder, file);
    if (path === undefined || !existsSync(path)) continue;
    // EBUSY: it can't be made to fit.
    await writeFile(path, value, { flag: "r+" }).catch(() => undefined);
  }
}

/** What of a room's file tells its limits; the rest stays as it is. */
const RoomLimits = z.looseObject({
  cgroup: z.looseObject({ limits: z.record(z.string(), z.string()) }).optional(),
  userLimits: z.record(z.string(), z.string()).optional(),
});

/** What a room is started with the next time, by whomever. */
async function writeToRooms(own: LearnerPaths, values: Readonly<Record<string, string>> | undefined, most: Limits): Promise<void> {
  for (const file of [roomFile(own), nodeFile(own)]) {
    // One that can't be read starts no room; the update of that learner's cluster, which comes next, writes it anew.
    const room = await readState(file, RoomLimits, { orElse: undefined });
    if (room === undefined) continue;
    if (room.cgroup && values) room.cgroup.limits = { ...values };
    if (room.userLimits) room.userLimits = userLimits(most);
    await writePrivateFile(file, JSON.stringify(room, null, 2));
  }
}
