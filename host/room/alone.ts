import type { ChildProcess } from "node:child_process";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { startPiped } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";
import type { RoomConfig } from "./config.ts";

/**
 * Makes a room for one program, whose standard files are the child's. The room goes with the program, with lab-room, and
 * with this process. `said` is what lab-room says at the end.
 */
export async function startAlone(room: RoomConfig): Promise<{ readonly child: ChildProcess; readonly said: Promise<string> }> {
  const child = startPiped(await toolPath("lab-room"), ["once"], { cwd: "/", env: {} });
  const link = child.stdio[3] as Duplex;
  const said = text(link).catch(() => "");
  link.write(`${JSON.stringify(room)}\n`);
  return { child, said };
}
