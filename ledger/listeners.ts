import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Who listens on a TCP port of this machine. */
export interface Listener {
  /** Undefined where the process is another user's. */
  readonly pid?: number;
  readonly program?: string;
}

/** Who that is, as a part of a sentence. */
export const callerOf = ({ pid, program }: Listener) => (pid === undefined ? "a process of another user" : `process ${pid} (${program})`);

/** Local addresses of /proc/net/tcp and tcp6 that leave 127.0.0.1 to nobody else: that one, and every address. */
const onLoopback = new Set(["0100007F", "00000000", "0".repeat(32), "0000000000000000FFFF00000100007F"]);

/**
 * The listener on that port; undefined where nobody does. Reads /proc: see proc_net(5).
 *
 * @param address on which nobody else can listen beside it; without one whatever address
 */
export function listenerOn(port: number, address?: "127.0.0.1"): Listener | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const isMeant = (local: string) => {
    const [host = "", at] = local.split(":");
    return at === hex && (address === undefined || onLoopback.has(host));
  };
  // State 0A is LISTEN; column 9 is the socket's inode.
  const inodes = ["tcp", "tcp6"].flatMap((table) =>
    linesOf(`/proc/net/${table}`)
      .map((line) => line.trim().split(/\s+/))
      .flatMap(([, local, , state, , , , , , inode]) =>
        state === "0A" && local !== undefined && isMeant(local) && inode !== undefined ? [inode] : [],
      ),
  );
  if (inodes.length === 0) return undefined;
  const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`));
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (Number.isInteger(pid) && holdsOne(pid, sockets)) return { pid, program: linesOf(`/proc/${pid}/comm`)[0] ?? "" };
  }
  return {};
}

function holdsOne(pid: number, sockets: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`)));
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}
