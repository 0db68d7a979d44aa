import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Duplex, Readable, Writable } from "node:stream";
import { z } from "zod";
import { startPiped } from "../../shared/exec.ts";
import { makeScratchFolder } from "../../shared/scratch.ts";
import { startAlone } from "./alone.ts";
import type { Cgroup } from "./cgroups.ts";
import type { Bind } from "../processes/place.ts";
import type { RoomConfig } from "./config.ts";

/** A program that runs in a room of its own, which goes with it: no network, and no file but what is named here. */
export interface ThrownAwayJob {
  /** The program, a path of the host; in the room it is in /bin. */
  readonly program: string;
  /** Arguments. One that is a path named in `reads`, `writes` or `scratch`, or below one, is what it says also without a room. */
  readonly args: readonly string[];
  /** The whole environment; values are as in `args`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files and folders of the host that it reads, by their path in the room. */
  readonly reads?: Readonly<Record<string, string>>;
  /** Further programs that it starts, as paths of the host; they must be named in what it reads. */
  readonly runs?: readonly string[];
  /** Folders of the host that it may write to, by their path in the room. */
  readonly writes?: Readonly<Record<string, string>>;
  /** Folders in memory, by path, with the bytes that each may hold. Default: /tmp with a quarter of the memory. */
  readonly scratch?: Readonly<Record<string, number>>;
  /** Working folder, a path in the room. Default: /. */
  readonly cwd?: string;
  readonly input?: Uint8Array | string;
  readonly limits: JobLimits;
  /** `none` where rooms can't be made: then it runs as a process like any other, with an end at its limits. */
  readonly room: JobRoom | "none";
}

export interface JobLimits {
  readonly seconds: number;
  /** Of each process, and where there is a control group of all together. */
  readonly memoryBytes: number;
  /** Processes and threads of all. */
  readonly processes: number;
  /** Of standard output, and of standard error as much again. */
  readonly outputBytes: number;
  /** The longest file that it may write. Default: no limit but that of the folder. */
  readonly fileBytes?: number;
}

/** Whose room it is. */
export interface JobRoom {
  /** See RoomConfig. */
  readonly uid: number;
  /** The learner's group, where there is one, and its limits. */
  readonly cgroup?: Cgroup & { readonly limits: Record<string, string> };
}

export interface ThrownAwayOutcome {
  /** `ended` with its exit code; otherwise it was killed, with all that it started. */
  readonly end: "ended" | "killed" | "too-long" | "too-much-output";
  readonly exitCode?: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** What lab-room says of the end. */
const Ending = z.object({ error: z.string().optional(), ended: z.object({ code: z.int(), signal: z.int().optional() }).optional() });

/** Runs the job to its end, or ends it at its limits. Throws where its room can't be made. */
export async function runThrownAway(job: ThrownAwayJob): Promise<ThrownAwayOutcome> {
  return job.room === "none" ? runWithoutRoom(job) : runInRoom(job, job.room);
}

async function runInRoom(job: ThrownAwayJob, room: JobRoom): Promise<ThrownAwayOutcome> {
  const { child, said } = await startAlone(roomOf(job, room));
  // The room goes with lab-room, which gets to know that it has to before it is made to.
  const outcome = await follow(job, child, (signal) => child.kill(signal));
  if (outcome.end !== "ended") return outcome;
  const { error, ended } = Ending.parse(JSON.parse((await said) || "{}"));
  if (error !== undefined) throw new Error(`no room for ${basename(job.program)}: ${error}`);
  const { exitCode: _, ...rest } = outcome;
  return ended === undefined || ended.signal !== undefined ? { ...rest, end: "killed" } : { ...rest, exitCode: ended.code };
}

/** The first process of the room and its stage have some threads, too. */
const threadsOfRoom = 24;

function roomOf(job: ThrownAwayJob, { uid, cgroup }: JobRoom): RoomConfig {
  const { limits, reads = {}, writes = {}, env = {}, cwd = "/", runs = [] } = job;
  const program = `/bin/${basename(job.program)}`;
  const show = (paths: Readonly<Record<string, string>>, how: Omit<Bind, "source" | "target">) =>
    Object.entries(paths).map(([target, source]) => ({ source, target, ...how }));
  const processes = limits.processes + threadsOfRoom;
  return {
    hostname: "lab",
    uid,
    ids: 1,
    ...(cgroup && { cgroup, groupLimits: groupLimits(cgroup.version, limits.memoryBytes, processes) }),
    group: "job",
    network: {},
    program: {
      name: "job",
      args: [program, ...job.args],
      env,
      cwd,
      view: [
        ...show({ [program]: job.program }, { writable: false, own: false }),
        ...show(reads, { writable: false, own: false }),
        ...show(writes, { writable: true, own: true }),
      ],
      runs,
      scratch: scratchOf(job),
      ...(limits.fileBytes !== undefined && { fileSize: limits.fileBytes }),
      openFiles: 1024,
      // Of each process, on as many processors as it likes: the clock is the limit, this one is for a clock that stands.
      cpuSeconds: limits.seconds * 4,
      dataBytes: limits.memoryBytes,
      processes,
    },
  };
}

function scratchOf({ scratch, limits }: ThrownAwayJob): Readonly<Record<string, number>> {
  return scratch ?? { "/tmp": Math.floor(limits.memoryBytes / 4) };
}

function groupLimits(version: 1 | 2, memoryBytes: number, processes: number): Record<string, string> {
  return version === 2
    ? // What a compiler's part dies of is the end of all: a rest of it would only find out later.
      { "memory.max": String(memoryBytes), "memory.oom.group": "1", "pids.max": String(processes) }
    : { "memory.limit_in_bytes": String(memoryBytes), "pids.max": String(processes) };
}

async function runWithoutRoom(job: ThrownAwayJob): Promise<ThrownAwayOutcome> {
  const folder = await makeScratchFolder("job");
  try {
    const inPlace: [string, string][] = [
      ...Object.entries({ ...job.reads, ...job.writes }),
      ...Object.keys(scratchOf(job)).map((path): [string, string] => [path, folder]),
    ];
    const translate = (value: string) => {
      const [path, real] = inPlace.find(([path]) => value === path || value.startsWith(`${path}/`)) ?? [];
      return path === undefined || real === undefined ? value : join(real, value.slice(path.length));
    };
    const env = Object.fromEntries(Object.entries(job.env ?? {}).map(([name, value]) => [name, translate(value)]));
    const cwd = job.cwd === undefined ? folder : translate(job.cwd);
    const child = startPiped(job.program, job.args.map(translate), { cwd, env });
    (child.stdio[3] as Duplex).on("error", () => undefined).resume();
    const endAll = () => {
      try {
        // The process group, which the program leads.
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    };
    const outcome = await follow(job, child, endAll);
    endAll();
    return outcome;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How long what was told to end has to do so. */
const graceMs = 3000;

/** Feeds the process, takes in what it says and ends it at the job's limits. */
async function follow(
  { input = "", limits }: ThrownAwayJob,
  child: ReturnType<typeof startPiped>,
  kill: (signal: "SIGTERM" | "SIGKILL") => void,
): Promise<ThrownAwayOutcome> {
  let end: ThrownAwayOutcome["end"] = "ended";
  let grace: NodeJS.Timeout | undefined;
  const stop = (why: ThrownAwayOutcome["end"]) => {
    if (end !== "ended") return;
    end = why;
    kill("SIGTERM");
    grace = setTimeout(() => kill("SIGKILL"), graceMs);
  };
  const clock = setTimeout(() => stop("too-long"), limits.seconds * 1000);
  const [stdin, stdout, stderr] = child.stdio as unknown as [Writable, Readable, Readable];
  // Whoever ends early reads no more.
  stdin.on("error", () => undefined).end(input);
  const take = (stream: Readable) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limits.outputBytes) {
        stop("too-much-output");
        stream.pause();
        return;
      }
      chunks.push(chunk);
    });
    return () => Buffer.concat(chunks);
  };
  const taken = { stdout: take(stdout), stderr: take(stderr) };
  try {
    const [exitCode, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("error", reject);
      // `close` waits for the streams: nobody is left to write to them, but in `runWithoutRoom` whoever has left the group.
      child.once("close", (...status) => resolve(status));
      child.once("exit", (...status) => setTimeout(() => resolve(status), end === "ended" ? graceMs : 0).unref());
    });
    if (end === "ended" && signal !== null) end = "killed";
    return {
      end,
      ...(end === "ended" && exitCode !== null && { exitCode }),
      stdout: taken.stdout(),
      stderr: taken.stderr().toString("utf8"),
    };
  } finally {
    clearTimeout(clock);
    clearTimeout(grace);
    for (const stream of child.stdio) stream?.destroy();
  }
}
