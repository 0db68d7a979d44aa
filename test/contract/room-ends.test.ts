import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cgroupMembers, planCgroup, removeCgroup } from "../../host/room/cgroups.ts";
import { startInRoom, watchInRoom } from "../../host/processes/start-in-room.ts";
import { troubleOf, tryCgroups } from "../../host/room/trials.ts";
import { run } from "../../shared/exec.ts";
import { account, actingAs, ask, lineOf, lives, makers, suiteIsRoot, useRooms, type Maker, type Room } from "../support/room.ts";

const rooms = useRooms();
/** As long as the end of a room may take. */
const aSecond = { timeout: 1000, interval: 10 };

/** A room in which two programs run, one of which has another below it, and the numbers of all that is in it. */
async function busyRoom(maker: Maker): Promise<{ room: Room; first: number; pids: number[]; ends: Promise<string>[] }> {
  const room = await rooms.make(maker);
  const programs = [await room.start(["wait"]), await room.start(["run", "/bin/probe", "wait"])];
  const first = (await childrenOf(room.outer.pid))[0] ?? 0;
  await expect.poll(() => childrenOf(programs[1]!.pid), { timeout: 10_000 }).toHaveLength(1);
  const pids = [first, ...programs.map(({ pid }) => pid), ...(await childrenOf(programs[1]!.pid))];
  for (const pid of pids) expect(await lives(pid)).toBe(true);
  return { room, first, pids, ends: programs.map(({ ended }) => ended) };
}

async function childrenOf(pid: number): Promise<number[]> {
  // Each thread has its own.
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => "")));
  return lists.flatMap((list) => list.split(" ").filter(Boolean).map(Number));
}

const living = async (pids: readonly number[]) => (await Promise.all(pids.map(lives))).filter(Boolean).length;

describe.each(makers)("a room of $name ends", (maker) => {
  test("within a second when the process outside is killed", async () => {
    const { room, pids, ends } = await busyRoom(maker);
    room.outer.kill("SIGKILL");
    await expect.poll(() => living(pids), aSecond).toBe(0);
    expect(await room.ended).toBe("SIGKILL");
    expect(await Promise.all(ends)).toEqual(["nobody says", "nobody says"]);
  });

  test("within a second when its first process is killed, and the one outside says so", async () => {
    const { room, first, pids } = await busyRoom(maker);
    process.kill(first, "SIGKILL");
    await expect.poll(() => living(pids), aSecond).toBe(0);
    expect(await room.ended).toBe("code 1");
    expect(room.said()).toBe("lab-room: the room ended: signal: killed\n");
  });

  test("in order when it is told to", async () => {
    const { room, pids } = await busyRoom(maker);
    room.outer.kill("SIGTERM");
    expect(await room.ended).toBe("code 0");
    expect(await living(pids)).toBe(0);
    expect(room.said()).toBe("");
  });

  test("before it begins where a door is in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const room = await rooms.begin(maker, { network: { in: [{ from: `127.0.0.1:${port}`, to: "127.0.0.1:4000" }] } });
    expect(await room.ended).toBe("code 1");
    expect(room.said()).toBe(`lab-room: door 127.0.0.1:${port}: listen tcp 127.0.0.1:${port}: bind: address already in use\n`);
    server.close();
  });

  test("before it begins when the same room is there already, which goes on", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await new Promise((closed) => server.close(closed));
    const network = { in: [{ from: `127.0.0.1:${port}`, to: "127.0.0.1:4000" }] };
    const room = await rooms.make(maker, { network });
    const program = await room.start(["wait"]);
    const second = await rooms.begin(maker, { network }, room.folder);
    expect(await second.ended).toBe("code 1");
    expect((await ask(room.socket, { watch: "p1" })).pid).toBe(program.pid);
    expect(await lives(program.pid)).toBe(true);
  });

  test("before it begins where Linux refuses what its configuration asks for", async () => {
    const room = await rooms.begin(maker, { hostname: "x".repeat(65) });
    expect(await room.ended).toBe("code 1");
    expect(room.said()).toBe("lab-room: invalid argument\n");
  });
});

describe.each(makers)("a program in a room of $name", (maker) => {
  test("tells how it ended", async () => {
    const room = await rooms.make(maker);
    const outcome = async (...args: string[]) => (await room.start(args)).ended;
    expect(await outcome("exit", "0")).toBe("code 0");
    expect(await outcome("exit", "255")).toBe("code 255");
    expect(await outcome("die", "9")).toBe("signal 9");
    expect(await outcome("die", "15")).toBe("signal 15");
  });

  test("is one of its name, and is found again by who did not start it", async () => {
    const room = await rooms.make(maker);
    const spec = {
      name: "own",
      owner: "ada",
      command: rooms.probe(),
      args: ["wait"],
      env: {},
      cwd: "/",
      logFile: join(room.folder, "own.log"),
      room: {
        socket: room.socket,
        view: [{ source: rooms.probe(), target: "/bin/probe", writable: false, own: false }],
        scratch: {},
        files: {},
        doors: [],
      },
    };
    expect(await watchInRoom(spec)).toBeUndefined();
    const started = await startInRoom(spec, {});
    await expect(startInRoom(spec, {})).rejects.toThrow("own runs already");
    const found = await watchInRoom(spec);
    expect(found?.pid).toBe(started.pid);
    process.kill(started.pid ?? 0, "SIGTERM");
    expect(await found?.ended).toBe("killed by signal 15");
    expect(await started.ended).toBe(await found?.ended);
    expect(await watchInRoom(spec)).toBeUndefined();
  });

  test.each(["", "ada/kube api", 'a\n"b\\', "../../x", "ünï☃", "long ".repeat(800)])("may be called %.20j", async (name) => {
    const room = await rooms.make(maker);
    const { pid } = await room.start(["wait"], { name });
    expect(pid).toBeGreaterThan(0);
    // One without a name is nobody to ask for.
    expect((await ask(room.socket, { watch: name })).pid).toBe(pid);
  });

  test("that can't begin says why, and the room goes on", async () => {
    const room = await rooms.make(maker);
    await expect(
      room.start(["exit", "0"], { view: [{ source: "/nowhere", target: "/bin/probe", writable: false, own: false }] }),
    ).rejects.toThrow("no such file");
    const { ended, log } = await room.start(["exit", "0"], { args: ["/bin/other"] });
    expect(await ended).toBe("code 1");
    expect(await lineOf(log)).toBe("lab-room: start /bin/other: no such file or directory");
    expect(await room.attempt("exit", "7")).toBe("code 7");
  });
});

test.each(makers)("$name has rooms also in a container whose kernel settings may only be read", async (maker) => {
  const folder = await rooms.folder(maker);
  const view = [{ source: rooms.probe(), target: "/bin/probe", writable: false, own: false }];
  const program = { name: "p", args: ["/bin/probe", "exit", "7"], cwd: "/", view };
  const config = {
    hostname: "lab",
    uid: maker.uid,
    ids: 1,
    group: "room",
    network: {},
    userLimits: { max_inotify_instances: "16" },
    program,
  };
  await writeFile(join(folder, "once.json"), JSON.stringify(config));
  const once = [...actingAs(maker), rooms.program(), "once", join(folder, "once.json")];
  const masked = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"';
  const { exitCode, stderr } = await run("unshare", ["--mount", "sh", "-c", masked, "sh", ...once], { stdin: "ignore", reject: false });
  if (suiteIsRoot) expect([exitCode, stderr]).toEqual([7, ""]);
  else expect(stderr).toMatch(/unshare failed/);
});

describe("limits of a group", () => {
  const name = `gitops-lab/rooms-test-${process.pid}`;

  test("hold memory and processes of a room, and let others be; without the right to a group there are none", async () => {
    const trouble = await troubleOf(() => tryCgroups(["memory", "pids"]));
    const planned = await planCgroup(name);
    const few =
      planned.version === 2
        ? { "memory.max": `${64 << 20}`, "pids.max": "60" }
        : { "memory.limit_in_bytes": `${64 << 20}`, "pids.max": "60" };
    const cgroup = { ...planned, limits: few };
    if (!suiteIsRoot || trouble !== "") {
      const room = await rooms.begin(account, { cgroup });
      expect(await room.ended).toBe("code 1");
      expect(room.said()).toMatch(/^lab-room: .*(permission denied|no such file|read-only file system)/);
      return;
    }
    try {
      const room = await rooms.make(makers[0]!, { cgroup });
      expect((await cgroupMembers(planned)).size).toBe(2);
      expect(await room.attempt("memory", "200")).toBe("signal 9");
      expect(await room.attempt("memory", "20")).toBe("allowed: 20 MiB");
      expect(await room.attempt("processes", "300")).toMatch(/^refused: after \d{1,2}: .*resource temporarily unavailable$/);
    } finally {
      await removeCgroup(planned);
    }
  });

  test("are those of a whole learner: with the group everything in it ends", async () => {
    const trouble = await troubleOf(() => tryCgroups(["memory", "pids"]));
    if (!suiteIsRoot || trouble !== "") {
      await expect(tryCgroups(["memory", "pids"])).rejects.toThrow();
      return;
    }
    const planned = await planCgroup(name);
    const room = await rooms.make(makers[0]!, { cgroup: { ...planned, limits: {} } });
    const { pid } = await room.start(["wait"]);
    await removeCgroup(planned);
    expect(await room.ended).toBe("SIGKILL");
    expect(await lives(pid)).toBe(false);
    await rm(room.socket, { force: true });
  });
});
