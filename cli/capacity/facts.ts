import { existsSync } from "node:fs";
import { readdir, readFile, readlink, statfs } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { processStatus } from "../../host/processes/client.ts";
import { leasedPorts } from "../../ledger/ports.ts";
import { labHome, cohortPaths } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import type { MachineFacts } from "./capacity.ts";

/** Reads what this machine has left for a cohort, from /proc (see proc(5) and inotify(7)). Creates nothing. */
export async function machineFacts({ cohort, ports, learners }: CohortPlan): Promise<MachineFacts> {
  const home = labHome();
  const [memory, disk, inotify, openFiles, leases, cohorts] = await Promise.all([
    readFile("/proc/meminfo", "utf8"),
    statfs(existing(home)),
    inotifyLeft(),
    readFile("/proc/sys/fs/file-nr", "utf8"),
    leasedPorts(),
    readdir(join(home, "cohorts")).catch(() => []),
  ]);
  const running = await Promise.all(
    cohorts.map(async (name) => {
      const owners = (await processStatus(cohortPaths(name))).flatMap(({ owner, state }) => (state === "running" ? [owner] : []));
      return { name, owners: new Set(owners) };
    }),
  );
  const own = running.find(({ name }) => name === cohort)?.owners ?? new Set<string>();
  const [allocated = 0, , most = 0] = openFiles.trim().split(/\s+/).map(Number);
  const others = Object.entries(leases).filter(([key, port]) => !key.startsWith(`${cohort}/`) && port >= ports.from && port <= ports.to);
  return {
    cores: availableParallelism(),
    memoryMiB: Math.floor(Number(/^MemAvailable: +(\d+) kB$/m.exec(memory)?.[1] ?? 0) / 1024),
    diskMiB: Math.floor((disk.bavail * disk.bsize) / 1024 ** 2),
    ...inotify,
    openFiles: most - allocated,
    ports: ports.to - ports.from + 1 - others.length,
    hostIsUp: own.has("cohort"),
    learnersUp: learners.filter(({ learner }) => own.has(learner.id)).length,
    learnersOnMachine: running.reduce((sum, { owners }) => sum + [...owners].filter((owner) => owner !== "cohort").length, 0),
  };
}

/** The next folder above that exists, whose disk the path will be on. */
function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}

/** What this user may still open: the limits are per user, so what other processes of the user hold is taken off. */
async function inotifyLeft(): Promise<Pick<MachineFacts, "inotifyInstances" | "inotifyWatches">> {
  const limit = async (name: string) => Number((await readIfExists(`/proc/sys/fs/inotify/${name}`)) ?? Infinity);
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  let [instances, watches] = [0, 0];
  for (const pid of pids) {
    // Processes of other users can't be looked into, and ones that end meanwhile hold nothing.
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      if ((await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")) !== "anon_inode:inotify") continue;
      instances += 1;
      watches += (await readFile(`/proc/${pid}/fdinfo/${fd}`, "utf8").catch(() => "")).match(/^inotify /gm)?.length ?? 0;
    }
  }
  return {
    inotifyInstances: Math.max(0, (await limit("max_user_instances")) - instances),
    inotifyWatches: Math.max(0, (await limit("max_user_watches")) - watches),
  };
}
