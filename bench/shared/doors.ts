import { readFileSync, readlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cgroupMembers, type Cgroup } from "../../host/room/cgroups.ts";
import { run } from "../../shared/exec.ts";

export interface Doors {
  /** Where the sockets are. */
  readonly folder: string;
  /** The control group of the lab whose programs come through. */
  readonly cgroup: () => Promise<Cgroup | undefined>;
  readonly programs: readonly string[];
  readonly ended: AbortSignal;
  readonly say: (text: string) => void;
}

/** Network namespace of a process. */
const netOf = (pid: string | number) => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
};

/** A process of each network namespace in which a control group runs one of these programs, the host's apart. */
async function namespacesOf(cgroup: Cgroup | undefined, programs: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const pid of cgroup === undefined ? [] : await cgroupMembers(cgroup)) {
    try {
      const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const net = netOf(pid);
      if (net !== undefined && net !== netOf("self") && programs.includes(basename(program))) found.set(net, pid);
    } catch {
      // It has ended.
    }
  }
  return found;
}

const relay = `
  const net = require("node:net");
  const [port, socket] = process.argv.slice(1);
  net.createServer((from) => { const to = net.connect(socket); from.pipe(to).pipe(from); from.on("error", () => to.destroy()); to.on("error", () => from.destroy()); }).listen(Number(port), "127.0.0.1");
`;

/** Lets these ports of the host's loopback be reached under the same numbers in the namespaces of these programs, as they come and go. */
export async function openDoors(ports: readonly number[], { folder, cgroup, programs, ended, say }: Doors): Promise<Server[]> {
  const servers = ports.map((port) =>
    createServer((from) => {
      const to = connect(port, "127.0.0.1");
      from.pipe(to).pipe(from);
      from.on("error", () => to.destroy());
      to.on("error", () => from.destroy());
    }).listen(join(folder, `door-${port}`)),
  );
  const open = new Set<string>();
  void (async () => {
    while (!ended.aborted) {
      for (const [net, pid] of await namespacesOf(await cgroup(), programs)) {
        if (open.has(net)) continue;
        open.add(net);
        say(`doors into ${net}`);
        for (const port of ports)
          run(
            "nsenter",
            ["--target", String(pid), "--net", process.execPath, "--eval", relay, String(port), join(folder, `door-${port}`)],
            {
              reject: false,
              cancelSignal: ended,
              stdin: "ignore",
            },
          );
      }
      await delay(500);
    }
  })();
  return servers;
}
