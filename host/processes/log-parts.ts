import { constants } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { CohortPaths } from "../../shared/paths.ts";
import { webPlaces } from "./web-places.ts";
import { openOrdinary } from "./logs.ts";

/** A log; a reader sees the lines that `shows` lets through. */
export interface LogPart {
  readonly name: string;
  readonly file: string;
  readonly shows: (line: string) => boolean;
}

/** What the parts of a learner's lab can be asked for together by. */
export const partGroups = ["control-plane", "controllers", "kubelet", "pipeline"] as const;
export type PartGroup = (typeof partGroups)[number];

const nodePrograms = ["node", "containerd", "kubelet-and-proxy", "coredns", "pause-image"];

/** Of which group a part is; a room is of none. */
export function groupOf(name: string): PartGroup | undefined {
  if (name === "pipeline") return "pipeline";
  if (nodePrograms.includes(name)) return "kubelet";
  if (name.endsWith("-controller")) return "controllers";
  return name === "room" || name === "daemon" ? undefined : "control-plane";
}

const everything = () => true;

/** The logs of a learner's lab: of its own processes whole, of the cohort's what tells of this learner alone. */
export async function learnerLogs(paths: CohortPaths, daemonLog: string, learner: string): Promise<LogPart[]> {
  const { logs } = paths.learner(learner);
  const files = (await readdir(logs).catch(() => [])).filter((name) => name.endsWith(".log")).sort();
  const own = files.map((name) => ({ name: basename(name, ".log"), file: join(logs, name), shows: everything }));
  const ofLearner = (line: string) => learnerIn(line) === learner;
  return [
    ...own,
    { name: "pipeline", file: webPlaces(paths).log, shows: ofLearner },
    { name: "daemon", file: daemonLog, shows: ofLearner },
  ];
}

/** The logs of what a cohort has for all its learners. */
export function cohortLogs(paths: CohortPaths, daemonLog: string): LogPart[] {
  return [
    { name: "daemon", file: daemonLog, shows: everything },
    { name: "web", file: webPlaces(paths).log, shows: everything },
    { name: "registry", file: join(paths.registry, "registry.log"), shows: everything },
    { name: "room", file: join(paths.daemon, "room.log"), shows: everything },
  ];
}

/** The learner that a line of the daemon's or the web process' log is about; undefined for the cohort's, and for what is no such line. */
function learnerIn(line: string): unknown {
  // A line that was broken off or is another program's.
  if (!line.startsWith("{")) return undefined;
  try {
    return (JSON.parse(line) as { learner?: unknown }).learner;
  } catch {
    return undefined;
  }
}

/** The most of a log that is read back from its end. */
const mostBytes = 4 * 1024 * 1024;

/**
 * The last lines of a log, with how many bytes of it were read then, after which `linesSince` goes on. Of a log that is begun
 * anew also the end that is kept beside it. Empty where there is none.
 */
export async function lastLines({ file, shows }: LogPart, count: number): Promise<{ readonly lines: string[]; readonly bytes: number }> {
  const { text, bytes } = await read(file, 0);
  let lines = linesIn(text).filter(shows);
  if (lines.length < count) lines = [...linesIn((await read(`${file}.1`, 0)).text).filter(shows), ...lines];
  return { lines: count === 0 ? [] : lines.slice(-count), bytes };
}

/** The whole lines that a log has more than so many bytes; from its start where it was begun anew. Undefined where it is gone. */
export async function linesSince(
  { file, shows }: LogPart,
  bytes: number,
): Promise<{ readonly lines: string[]; readonly bytes: number } | undefined> {
  const found = await read(file, bytes);
  if (found.isGone) return undefined;
  return { lines: linesIn(found.text).filter(shows), bytes: found.bytes };
}

const linesIn = (text: string) => text.split("\n").filter((line) => line !== "");

/** What is in a log from a place on, up to its last line break. */
async function read(file: string, from: number): Promise<{ readonly text: string; readonly bytes: number; readonly isGone?: true }> {
  const log = await openOrdinary(file, constants.O_RDONLY);
  if (log === undefined) return { text: "", bytes: from, isGone: true };
  try {
    const { size } = await log.stat();
    const start = from > size ? 0 : Math.max(from, size - mostBytes);
    const buffer = Buffer.alloc(size - start);
    const { bytesRead } = await log.read(buffer, 0, buffer.length, start);
    const end = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
    return { text: buffer.subarray(0, end).toString("utf8"), bytes: start + end };
  } finally {
    await log.close();
  }
}
