import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The TCP addresses, as `address:port`, on which a process listens. Reads /proc, so it sees what the kernel sees. */
export function listeningAddresses(pid: number): string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      // State 0A is LISTEN; column 9 is the inode.
      .filter((columns) => columns[3] === "0A" && sockets.has(columns[9] ?? ""))
      .map((columns) => readable(columns[1] ?? "")),
  );
}

/** `0100007F:4E20` is 127.0.0.1:20000: each 32-bit word in the machine's (little-endian) order. */
function readable(encoded: string): string {
  const [address = "", port = ""] = encoded.split(":");
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  const host = bytes.length === 4 ? bytes.map((byte) => parseInt(byte, 16)).join(".") : `[${bytes.join("")}]`;
  return `${host}:${parseInt(port, 16)}`;
}
