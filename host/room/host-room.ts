import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheHome, type CohortPaths } from "../../shared/paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { goHere } from "../../tools/go-here.ts";
import { toolPath } from "../../tools/locate.ts";
import type { ProcessSpec } from "../processes/process-table.ts";
import { sharedCgroup } from "./groups.ts";
import type { Bind } from "../processes/place.ts";
import { accounts, loopbackHosts, type RoomConfig } from "./config.ts";
import { leaseNumbers } from "./numbers.ts";

/** Short, as `roomSocket`; no learner's name has an underscore. */
const socketOf = (paths: CohortPaths) => join(paths.daemon, "_host.s");

/**
 * The process that makes the room of what a cohort shares, its registry and its web process: on the host's network, since that
 * is where learners come from, but as a user that nobody else is, and with nothing of the host's files but what each needs.
 */
export async function hostRoom(cohort: string, paths: CohortPaths): Promise<ProcessSpec> {
  const file = join(paths.daemon, "room.json");
  const cgroup = await sharedCgroup(cohort);
  const config: RoomConfig = {
    hostname: "lab-host",
    uid: (await leaseNumbers(`${cohort}/_host`)).room,
    ids: 1,
    socket: socketOf(paths),
    ...(cgroup && { cgroup }),
    group: "room",
    network: { shared: true },
  };
  await writePrivateFile(file, JSON.stringify(config, null, 2));
  return {
    name: "host/room",
    owner: "cohort",
    command: await toolPath("lab-room"),
    args: ["run", file],
    env: {},
    cwd: paths.daemon,
    logFile: join(paths.daemon, "room.log"),
  };
}

/** Puts a process of the host into that room, where it finds everything under the name that the host has for it. */
export function inHostRoom(
  paths: CohortPaths,
  spec: ProcessSpec,
  {
    reads = [],
    keeps = [],
    proc = false,
  }: { readonly reads?: readonly string[]; readonly keeps?: readonly string[]; readonly proc?: boolean },
): ProcessSpec {
  const show =
    (writable: boolean) =>
    (path: string): Bind => ({ source: path, target: path, writable, own: writable });
  return {
    ...spec,
    room: {
      socket: socketOf(paths),
      view: [
        { source: spec.command, target: spec.command, writable: false, own: false },
        ...reads.filter((path) => existsSync(path)).map(show(false)),
        ...keeps.map(show(true)),
      ],
      scratch: { "/tmp": 256 * 1024 ** 2 },
      files: { "/etc/hosts": loopbackHosts, "/etc/passwd": accounts },
      doors: [],
      proc,
    },
  };
}

/** What a program of this project reads to run: Node, the project, the tools, and the system's programs and libraries. */
export async function programFiles(): Promise<string[]> {
  const project = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
  const tools = await Promise.all((["git", "crane"] as const).map(async (tool) => realpathSync(await toolPath(tool))));
  // Go builds in rooms of its own; here it only says which version it is.
  const go = (await goHere().catch(() => undefined))?.root ?? "/usr/local/go";
  const system = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];
  // May be a link into another checkout.
  const packages = realpathSync(join(project, "node_modules"));
  const isSystem = (path: string) => system.some((folder) => path.startsWith(`${folder}/`));
  return [
    ...system,
    "/etc/ssl",
    join(cacheHome(), "tools"),
    project,
    ...(packages.startsWith(`${project}/`) ? [] : [packages]),
    ...(isSystem(go) ? [] : [go]),
    ...tools.filter((path) => !isSystem(path)).map((path) => dirname(dirname(path))),
  ];
}
