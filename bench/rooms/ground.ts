import { chmod, copyFile, mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { leaseNumbers } from "../../host/room/numbers.ts";
import { run } from "../../shared/exec.ts";
import { waitUntil } from "../../shared/wait.ts";

/** What every candidate gets to make a sandbox of. */
export interface Ground {
  /** Emptied before each trial: for what a candidate keeps of its own. */
  readonly folder: string;
  /** Static: sleeps, and first writes the time (Unix, microseconds) to the file that it is given; `exit <code>` ends with that code. */
  readonly program: string;
  /** A folder that the programs find as /shared, and write to. */
  readonly shared: string;
  /** The host's number of the sandbox's root; 0 is who runs the bench. */
  readonly uid: number;
}

/** One sandbox, as the one room of a learner. */
export interface Sandbox {
  /** Starts the ground's program with these arguments; resolves with its exit code, undefined where nobody can say it. */
  start(name: string, args: readonly string[]): Promise<number | undefined>;
  /** Ends everything in it. */
  end(): Promise<void>;
}

export interface Candidate {
  readonly name: string;
  /** What of what a room needs it does not do. */
  readonly lacks: readonly string[];
  /** Undefined where it is not installed. */
  version(): Promise<string | undefined>;
  /** Makes a sandbox; what it needs beforehand (a bundle, a configuration) is written in it, too. */
  open(ground: Ground): Promise<Sandbox>;
}

const source = `package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "exit" {
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	if len(os.Args) > 1 {
		_ = os.WriteFile(os.Args[1], []byte(strconv.FormatInt(time.Now().UnixMicro(), 10)+"\\n"), 0o666)
	}
	<-told
}
`;

/** Builds the program and makes the folders. */
export async function makeGround(home: string): Promise<Ground> {
  const built = join(home, "program");
  await mkdir(built, { recursive: true });
  await writeFile(join(built, "main.go"), source);
  await writeFile(join(built, "go.mod"), "module sleeper\n\ngo 1.24\n");
  await run("go", ["build", "-ldflags", "-s -w", "-o", "sleeper", "."], { cwd: built, env: { CGO_ENABLED: "0", GOWORK: "off" } });
  const shared = join(home, "shared");
  await mkdir(shared);
  const { room: uid } = await leaseNumbers("bench/rooms");
  // Nobody but the sandboxes' users has to come by here.
  for (const folder of [home, built]) await chmod(folder, 0o755);
  await chmod(shared, 0o777);
  return { folder: join(home, "trial"), program: join(built, "sleeper"), shared, uid };
}

/** The same program under an inode of its own, so that no other process of this machine shares its pages. */
export async function ownCopy(program: string, folder: string): Promise<string> {
  const copy = join(folder, basename(program));
  await copyFile(program, copy);
  await chmod(copy, 0o755);
  return copy;
}

/** When the programs of these names ran, in milliseconds; waits until all do. */
export async function running(ground: Ground, names: readonly string[]): Promise<number[]> {
  return waitUntil(
    async () => {
      const times = await Promise.all(names.map((name) => readFile(join(ground.shared, name), "utf8").catch(() => "")));
      return times.every((time) => time.endsWith("\n"))
        ? { done: true, value: times.map((time) => Number(time) / 1000) }
        : { done: false, because: "some have not said so." };
    },
    { what: `${names.length} programs to run`, timeoutSeconds: 60, intervalMs: 5, remedy: "" },
  );
}

export interface Own {
  /** Of the sandbox itself: what makes it, what waits for its programs. */
  readonly sandbox: readonly number[];
  /** That holds a sandbox open which has no first process of its own. */
  readonly pause: readonly number[];
  readonly programs: readonly number[];
}

/** The processes of a trial: those that name its folder or its program, and what they have started. */
export async function processesOf(ground: Ground): Promise<Own> {
  const all: { pid: number; parent: number; command: string[] }[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const [stat = "", command = ""] = await Promise.all(
      ["stat", "cmdline"].map((file) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "")),
    );
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    if (stat !== "") all.push({ pid: Number(name), parent, command: command.split("\0").slice(0, -1) });
  }
  const names = [ground.folder, basename(ground.program)];
  const found = new Set(
    all.filter(({ command }) => command.some((part) => names.some((name) => part.includes(name)))).map(({ pid }) => pid),
  );
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  const own = { sandbox: [] as number[], pause: [] as number[], programs: [] as number[] };
  for (const { pid, command } of all.filter(({ pid }) => found.has(pid))) {
    const exe = await readlink(`/proc/${pid}/exe`).catch(() => "");
    own[basename(exe) !== basename(ground.program) ? "sandbox" : command.length === 1 ? "pause" : "programs"].push(pid);
  }
  return own;
}

/** The host's number of the user that a process runs as. */
export async function userOf(pid: number): Promise<number> {
  return Number(/^Uid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]);
}

export interface Memory {
  readonly processes: number;
  readonly pss: number;
  readonly anonymous: number;
}

/** MiB of these processes; `anonymous` is what no file holds. */
export async function memoryOf(pids: readonly number[]): Promise<Memory> {
  const rollups = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/smaps_rollup`, "utf8")));
  const sum = (field: string) =>
    rollups.reduce((total, text) => total + Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0) / 1024, 0);
  return { processes: pids.length, pss: sum("Pss"), anonymous: sum("Anonymous") };
}
