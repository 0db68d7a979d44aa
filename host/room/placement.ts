import { basename, join, relative } from "node:path";
import type { ProcessSpec } from "../processes/process-table.ts";
import type { Door } from "../processes/place.ts";
import { accounts } from "./config.ts";

/** What a program needs of the host's files, and where it may write. */
export interface Needs {
  /** Files and folders that it reads. */
  readonly reads?: readonly string[];
  /** Folders that it keeps something in. */
  readonly keeps?: readonly string[];
  /** Folders that hold nothing that has to stay, with the bytes that each may hold. */
  readonly scratch?: Readonly<Record<string, number>>;
  /** Hosts beyond this machine, or ports of it, as `host:port`. */
  readonly reaches?: readonly string[];
  /** Whether it goes before others where the learner's memory runs short. */
  readonly expendable?: boolean;
}

/** Where a learner's programs run: in the learner's room, or, where there is none, as processes like any other. */
export interface Placement {
  /** Where a program finds a file or folder of the host that it needs. */
  path(hostPath: string): string;
  place(spec: ProcessSpec, needs: Needs): ProcessSpec;
}

/** Without a room a program sees what its user sees. */
export const onHost: Placement = { path: (hostPath) => hostPath, place: (spec) => spec };

const inRoom = "/lab";

/**
 * In a room a program finds what it needs of the folder below /lab, and nothing else but itself.
 *
 * @param folder of the learner, above everything that its programs need
 */
export function inRoomOf(socket: string, folder: string): Placement {
  const path = (hostPath: string) => join(inRoom, relative(folder, hostPath));
  const show = (writable: boolean) => (source: string) => ({ source, target: path(source), writable, own: true });
  return {
    path,
    place(spec, { reads = [], keeps = [], scratch = {}, reaches = [], expendable }) {
      const program = `/bin/${basename(spec.command)}`;
      const ways = waysTo(reaches);
      return {
        ...spec,
        cwd: spec.cwd.startsWith(folder) ? path(spec.cwd) : spec.cwd,
        room: {
          socket,
          view: [
            { source: spec.command, target: program, writable: false, own: false },
            ...keeps.map(show(true)),
            ...reads.map(show(false)),
          ],
          scratch: { "/tmp": smallScratch, ...scratch },
          files: { "/etc/hosts": ways.hosts, "/etc/passwd": accounts },
          doors: ways.doors,
          ...(expendable === true ? { expendable } : {}),
        },
      };
    },
  };
}

const smallScratch = 16 * 1024 ** 2;

/**
 * Ways out of a room. What is on this machine is found under its own address; a name of another machine leads to an address
 * of the room's own loopback, where the door to it is: so it is looked up outside, and the room can reach nobody else.
 */
export function waysTo(reaches: readonly string[]): { readonly hosts: string; readonly doors: Door[] } {
  const hosts = ["127.0.0.1 localhost"];
  const addresses = new Map<string, string>();
  const doors = [...new Set(reaches)].map((to) => {
    const at = to.lastIndexOf(":");
    const [host, port] = [to.slice(0, at), to.slice(at + 1)];
    if (host === "localhost" || /^127\./.test(host)) return { from: to, to };
    let address = addresses.get(host);
    if (address === undefined) {
      address = `127.1.0.${addresses.size + 1}`;
      addresses.set(host, address);
      hosts.push(`${address} ${host}`);
    }
    return { from: `${address}:${port}`, to };
  });
  return { hosts: `${hosts.join("\n")}\n`, doors };
}
