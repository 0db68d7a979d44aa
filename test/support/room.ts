import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { run } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";
import type { RoomConfig } from "../../host/room/config.ts";
import { openFolder } from "./open-folder.ts";

/** Who makes a room: root, whose rooms have numbers of their own, or an account, which is the root of its rooms. */
export interface Maker {
  readonly name: string;
  readonly account: number;
  /** The room's root, as the host counts; 0: the account. */
  readonly uid: number;
}

export const suiteIsRoot = process.getuid?.() === 0;
const nobodys = 64_321;

/** Of trials: tools/go/room/lab-room/probe.go. */
export const trialUid = 0x7ffd_0000;
export const account: Maker = { name: "an ordinary account", account: suiteIsRoot ? nobodys : (process.getuid?.() ?? -1), uid: 0 };
/** Those that this suite can be. */
export const makers: readonly Maker[] = suiteIsRoot ? [{ name: "root", account: 0, uid: trialUid }, account] : [account];

/** Something that ends, and how: `code 3`, `signal 9`; `nobody says` where whoever would know ended before. */
export interface Running {
  readonly pid: number;
  readonly log: string;
  readonly ended: Promise<string>;
}

export interface Room {
  readonly folder: string;
  readonly config: string;
  readonly socket: string;
  /** The process outside. */
  readonly outer: ChildProcess & { readonly pid: number };
  /** What it said, and how it ended. */
  readonly said: () => string;
  readonly ended: Promise<string>;
  start(args: readonly string[], program?: object): Promise<Running>;
  /** Runs the probe and returns its line. */
  attempt(...args: string[]): Promise<string>;
}

export interface Rooms {
  /** A folder that goes with the test and belongs to the maker. */
  folder(maker: Maker): Promise<string>;
  probe(): string;
  program(): string;
  make(maker: Maker, config?: Partial<RoomConfig>): Promise<Room>;
  /** As `make`, for a room that may not come to be. */
  begin(maker: Maker, config?: Partial<RoomConfig>, present?: string): Promise<Room>;
}

/** Rooms that the real lab-room makes, ended after each test, and a program to try them from within. */
export function useRooms(): Rooms {
  let base = "";
  let ends: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    base = openFolder("lab-rooms-");
    await chmod(base, 0o755);
    // Where an ordinary account finds them.
    await copyFile(await toolPath("lab-room"), join(base, "lab-room"));
    const source = join(import.meta.dirname, "../fixtures/room-probe");
    await run("go", ["build", "-trimpath", "-o", join(base, "probe"), "."], { cwd: source, env: { GOWORK: "off", CGO_ENABLED: "0" } });
  }, 180_000);
  afterEach(async () => {
    for (const end of ends) await end();
    ends = [];
  });
  afterAll(() => rm(base, { recursive: true, force: true }));

  const probe = () => join(base, "probe");
  const folder = async (maker: Maker) => {
    const made = await mkdtemp(join(base, "of-"));
    if (suiteIsRoot) await chown(made, maker.account, maker.account);
    return made;
  };
  const begin = async (maker: Maker, config: Partial<RoomConfig> = {}, present?: string): Promise<Room> => {
    const own = present ?? (await folder(maker));
    const file = join(own, "room.json");
    const full: RoomConfig = { hostname: "lab", uid: maker.uid, ids: 1, socket: "room.s", group: "room", network: {}, ...config };
    await writeFile(file, JSON.stringify(full));
    if (suiteIsRoot) await chown(file, maker.account, maker.account);
    const [command = "", ...args] = [...actingAs(maker), join(base, "lab-room"), "run", file];
    const outer = spawn(command, args, { cwd: own, env: { PATH: process.env["PATH"] }, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [outer.stdout, outer.stderr]) stream.on("data", (text) => (said += String(text)));
    const ended = once(outer, "exit").then(([code, signal]) => (signal === null ? `code ${code}` : String(signal)));
    ends.push(async () => {
      outer.kill("SIGKILL");
      await ended;
    });
    const socket = join(own, "room.s");
    let count = 0;
    const start = async (programArgs: readonly string[], program: object = {}) => {
      const log = join(own, `${(count += 1)}.log`);
      const view = [{ source: probe(), target: "/bin/probe", writable: false }];
      const common = {
        name: `p${count}`,
        args: ["/bin/probe", ...programArgs],
        env: {},
        cwd: "/",
        log,
        view,
        scratch: { "/tmp": 1 << 20 },
        proc: true,
      };
      return { log, ...(await ask(socket, { start: { ...common, ...program } })) };
    };
    return {
      folder: own,
      config: file,
      socket,
      outer: outer as Room["outer"],
      said: () => said,
      ended,
      start,
      async attempt(...attemptArgs) {
        const { log, ended: end } = await start(attemptArgs);
        const how = await end;
        return how === "code 0" ? lineOf(log) : how;
      },
    };
  };
  const make = async (maker: Maker, config: Partial<RoomConfig> = {}) => {
    const room = await begin(maker, config);
    const state = await Promise.race([room.ended, reachable(room.socket)]);
    if (state !== "") throw new Error(`The room ended with ${state}: ${room.said()}`);
    return room;
  };
  return { folder, probe, program: () => join(base, "lab-room"), make, begin };
}

/** What makes a command the maker's. */
export function actingAs({ account }: Maker): string[] {
  const id = String(account);
  return account === process.getuid?.() ? [] : ["setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--"];
}

/** What a program has written, once there is a whole line of it: a log is written after it was said. */
export async function lineOf(log: string): Promise<string> {
  const text = () => readFile(log, "utf8").catch(() => "");
  await expect.poll(text, { timeout: 20_000, interval: 10 }).toMatch(/\n$/);
  return (await text()).trimEnd();
}

/** Whether the host still has a process of that number that is not only waited for. */
export async function lives(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return state !== "" && !/\) [ZX]/.test(state);
}

async function reachable(socket: string): Promise<""> {
  await expect
    .poll(
      () =>
        ask(socket, { watch: "nobody" }).then(
          ({ pid }) => pid,
          () => -1,
        ),
      { timeout: 20_000, interval: 20 },
    )
    .toBe(0);
  return "";
}

/** Asks over a room's socket, as its daemon does. */
export async function ask(socket: string, request: object): Promise<{ readonly pid: number; readonly ended: Promise<string> }> {
  const connection = connect(socket);
  await once(connection, "connect");
  connection.write(`${JSON.stringify(request)}\n`);
  const lines = createInterface({ input: connection })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    return done === true ? {} : (JSON.parse(value) as { error?: string; pid?: number; ended?: { code: number; signal?: number } });
  };
  const { error, pid = 0 } = await next();
  if (error !== undefined) throw new Error(error);
  const ended =
    pid === 0
      ? Promise.resolve("is not there")
      : next().then(
          ({ ended: end }) => wordsOf(end),
          () => "nobody says",
        );
  return { pid, ended };
}

function wordsOf(end: { code: number; signal?: number } | undefined): string {
  if (end === undefined) return "nobody says";
  return end.signal === undefined ? `code ${end.code}` : `signal ${end.signal}`;
}
