import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Duplex } from "node:stream";
import { startPiped } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { passedEnvironment } from "../processes/environment.ts";
import { mark } from "../../ledger/process-identity.ts";
import { startAlone } from "./alone.ts";
import { accounts, loopbackHosts } from "./config.ts";
import { sharedCgroup } from "./groups.ts";
import { programFiles } from "./host-room.ts";
import { showsFilesAsOwn } from "./machine.ts";
import { leaseNumbers } from "./numbers.ts";

const main = fileURLToPath(new URL("../../dashboard/pages/main.ts", import.meta.url));
/** What it reads it passes on; a heap beyond this is a defect. */
const args = ["--max-old-space-size=256", main];
const memoryBytes = 512 * 1024 ** 2;

/**
 * Starts the dashboard's pages, which talk to this process over their standard files and end with it. With root they are in a
 * room, as a user that nobody else is, with nothing but the program's own files.
 *
 * @param cohort whose pages; without one, as for an archive, and without rooms they are a process like any other
 */
export async function startPages(cohort: string | undefined, isolation: "room" | "none"): Promise<ChildProcess> {
  const env = { ...passedEnvironment(), ...(cohort !== undefined && mark(cohortPaths(cohort).daemon, "dashboard/pages")) };
  if (cohort === undefined || isolation === "none" || !(await showsFilesAsOwn())) {
    const child = startPiped(process.execPath, args, { cwd: "/", env });
    (child.stdio[3] as Duplex).on("error", () => undefined).resume();
    return child;
  }
  const cgroup = await sharedCgroup(cohort);
  const { child } = await startAlone({
    hostname: "lab-host",
    uid: (await leaseNumbers(`${cohort}/_pages`)).room,
    ids: 1,
    ...(cgroup && { cgroup, groupLimits: { [cgroup.version === 2 ? "memory.max" : "memory.limit_in_bytes"]: String(memoryBytes) } }),
    group: "pages",
    network: { shared: true },
    program: {
      name: "dashboard/pages",
      args: [process.execPath, ...args],
      env: { ...env, HOME: "/tmp", TMPDIR: "/tmp" },
      cwd: "/tmp",
      view: [process.execPath, ...(await programFiles())].map((path) => ({ source: path, target: path, writable: false, own: false })),
      files: { "/etc/hosts": loopbackHosts, "/etc/passwd": accounts },
      scratch: { "/tmp": 64 * 1024 ** 2 },
      processes: 256,
    },
  });
  return child;
}
