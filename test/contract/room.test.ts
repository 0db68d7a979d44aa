import { once } from "node:events";
import { chmod, chown, copyFile, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { userLimits } from "../../host/room/room.ts";
import { actingAs, lineOf, makers, suiteIsRoot, trialUid, useRooms, account, type Room } from "../support/room.ts";
import { run } from "../../shared/exec.ts";

const rooms = useRooms();

/** Whoever connects hears `outside`. */
const servers: ReturnType<typeof createServer>[] = [];
async function serveOutside(where: { readonly port: number; readonly host: string } | { readonly path: string }): Promise<number> {
  const server = createServer((socket) => socket.end("outside"));
  servers.push(server.listen(where));
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const namespaces = {
  user: 0x1000_0000,
  mount: 0x2_0000,
  network: 0x4000_0000,
  pid: 0x2000_0000,
  ipc: 0x800_0000,
  uts: 0x400_0000,
  cgroup: 0x200_0000,
};
const notPermitted = "refused: operation not permitted";

/** What a program tries, and what comes of it. */
const refused: readonly (readonly [what: string, args: readonly string[], outcome: string | RegExp])[] = [
  ["reads the host's accounts", ["read", "/etc/shadow"], /no such file/],
  ["reads what the first process of the room was started with", ["read", "/proc/1/environ"], /permission denied/],
  ["looks through the first process' root", ["list", "/proc/1/root/"], /permission denied/],
  ["looks for a kernel setting", ["read", "/proc/sys/kernel/core_pattern"], /no such file/],
  ["writes a kernel setting", ["write", "/proc/sys/kernel/core_pattern", "|/x"], /no such file/],
  ["looks at the kernel's devices", ["list", "/sys"], /no such file/],
  ["writes to the program that it is", ["write", "/bin/probe", "x"], /read-only file system/],
  ["writes beside what it is shown", ["write", "/bin/other", "x"], /read-only file system/],
  ["writes to its root", ["write", "/other", "x"], /read-only file system/],
  ["makes a view writable", ["remount", "/bin/probe"], notPermitted],
  ["takes a view away", ["unmount", "/bin/probe"], notPermitted],
  ["mounts something", ["mount", "/tmp"], notPermitted],
  ["makes the device of the machine's memory", ["mknod", "/tmp/memory"], notPermitted],
  ["leaves its root by another", ["chroot", "/tmp/deeper"], notPermitted],
  ["enters the first process' mounts", ["setns", "/proc/1/ns/mnt"], /permission denied/],
  ["enters its own mounts anew", ["setns", "/proc/self/ns/mnt"], notPermitted],
  ["signals a process of the host", ["kill", String(process.pid)], "refused: no such process"],
  ["traces a process of the host", ["ptrace", String(process.pid)], notPermitted],
  ["traces the first process", ["ptrace", "1"], notPermitted],
  ["calls the kernel as 32-bit programs do", ["int80"], process.arch === "x64" ? "signal 31" : /no such way/],
  ["calls the kernel as x32 programs do", ["x32"], /^refused: /],
  ["opens a raw socket", ["socket", "raw"], notPermitted],
  ["opens a packet socket", ["socket", "packet"], notPermitted],
  ["opens a socket of the kernel's ciphers", ["socket", "alg"], notPermitted],
  ["opens a socket to the machine's host", ["socket", "vsock"], notPermitted],
  ["allows itself a core dump", ["core"], notPermitted],
  ["asks for clone3, whose flags no filter sees", ["call", "clone3"], "refused: function not implemented"],
  ...[
    "add_key",
    "keyctl",
    "bpf",
    "userfaultfd",
    "perf_event_open",
    "open_by_handle_at",
    "syslog",
    "personality",
    "memfd_secret",
    "kexec_load",
    "seccomp",
    "io_uring_setup",
    "open_tree",
    "move_mount",
    "fsopen",
    "mount_setattr",
    "pidfd_getfd",
  ].map((call) => [`calls ${call}`, ["call", call], notPermitted] as const),
  ...Object.entries(namespaces).flatMap(([name, flag]) => [
    [`leaves its ${name} namespace`, ["unshare", String(flag)], notPermitted] as const,
    [`starts a program in another ${name} namespace`, ["clone", String(flag)], /operation not permitted/] as const,
  ]),
  ["reaches another machine", ["dial", "tcp", "192.0.2.1:80"], /network is unreachable/],
  ["fills its scratch folder", ["fill", "/tmp/full"], "refused: after 1 MiB: write /tmp/full: no space left on device"],
];

describe.each(makers)("a program in a room of $name", (maker) => {
  test.each(refused)("%s in vain", async (_what, args, outcome) => {
    const room = await rooms.make(maker);
    expect(await room.attempt(...args)).toMatch(outcome);
  });

  test("sees its own processes, folders and devices, and nothing else", async () => {
    const room = await rooms.make(maker);
    expect(await room.attempt("list", "/")).toBe("allowed: bin dev proc tmp");
    expect(await room.attempt("list", "/dev")).toBe("allowed: full null random urandom zero");
    expect(await room.attempt("list", "/bin")).toBe("allowed: probe");
    // The first process, and itself.
    expect(await room.attempt("list", "/proc")).toMatch(/^allowed: 1 \d+ self thread-self$/);
  });

  test("has no right, can get none, and is handed what it was promised", async () => {
    const room = await rooms.make(maker);
    const none = "0000000000000000";
    expect(await room.attempt("rights")).toBe(
      `allowed: CapPrm:${none} CapEff:${none} CapBnd:${none} CapAmb:${none} NoNewPrivs:1 Seccomp:2`,
    );
    const given = await room.start(["self", "an argument\n", "ü"], {
      name: "own",
      env: { A: "1\n2" },
      cwd: "/work",
      scratch: { "/work": 4096 },
    });
    expect(await lineOf(given.log)).toBe(
      String.raw`allowed: host lab, user 0, folder /work, arguments ["an argument\n" "ü"], environment ["A=1\n2"], files 0 1 2`,
    );
  });

  test("gets no other user by a program that says so", async () => {
    const room = await rooms.make(maker);
    const other = join(room.folder, "other");
    await copyFile(rooms.probe(), other);
    if (suiteIsRoot) await chown(other, 12_345, 12_345);
    await chmod(other, 0o6755);
    const { log } = await room.start(["run", "/bin/other", "self"], {
      view: [
        { source: rooms.probe(), target: "/bin/probe", writable: false },
        { source: other, target: "/bin/other", writable: false },
      ],
    });
    expect(await lineOf(log)).toMatch(/host lab, user 0,/);
  });

  test("reaches nobody on the host's loopback or by its abstract sockets, and no other room", async () => {
    const [ipv4, ipv6] = [await serveOutside({ port: 0, host: "127.0.0.1" }), await serveOutside({ port: 0, host: "::1" })];
    const name = `lab-room-test-${process.pid}`;
    await serveOutside({ path: `\0${name}` });
    const [room, neighbour] = [await rooms.make(maker), await rooms.make(maker)];
    expect(await room.attempt("dial", "tcp", `127.0.0.1:${ipv4}`)).toMatch(/connection refused/);
    expect(await room.attempt("dial", "tcp", `[::1]:${ipv6}`)).toMatch(/connection refused/);
    expect(await room.attempt("dial", "unix", `@${name}`)).toMatch(/connection refused/);
    const served = await neighbour.start(["serve", "127.0.0.1:4000", "neighbour"]);
    expect(await lineOf(served.log)).toBe("serves");
    expect(await neighbour.attempt("dial", "tcp", "127.0.0.1:4000")).toBe("allowed: neighbour");
    expect(await room.attempt("dial", "tcp", "127.0.0.1:4000")).toMatch(/connection refused/);
  });

  test("reaches by its doors what they lead to, and is reached", async () => {
    const folder = await rooms.folder(maker);
    const port = await serveOutside({ port: 0, host: "127.0.0.1" });
    await serveOutside({ path: join(folder, "way.s") });
    await chmod(join(folder, "way.s"), 0o666);
    const free = await freePort();
    const room = await rooms.make(maker, {
      network: {
        out: [
          { from: "127.0.0.1:4080", to: `127.0.0.1:${port}` },
          { from: "127.0.0.1:4081", to: join(folder, "way.s") },
        ],
        in: [{ from: `127.0.0.1:${free}`, to: "127.0.0.1:4082" }],
      },
    });
    expect(await room.attempt("dial", "tcp", "127.0.0.1:4080")).toBe("allowed: outside");
    expect(await room.attempt("dial", "tcp", "127.0.0.1:4081")).toBe("allowed: outside");
    const served = await room.start(["serve", "127.0.0.1:4082", "inside"]);
    expect(await lineOf(served.log)).toBe("serves");
    const { stdout } = await run(rooms.probe(), ["dial", "tcp", `127.0.0.1:${free}`]);
    expect(stdout).toBe("allowed: inside");
  });

  test("writes to its own folder what is its maker's outside, and reads what it may only read", async () => {
    const room = await rooms.make(maker);
    const own = join(room.folder, "own files");
    await mkdir(own);
    await writeFile(join(own, "given"), "given", { mode: 0o600 });
    if (suiteIsRoot) for (const path of [own, join(own, "given")]) await chown(path, maker.account, maker.account);
    const views = (writable: boolean) => [
      { source: rooms.probe(), target: "/bin/probe", writable: false },
      { source: own, target: "/own", writable },
    ];
    const written = await room.start(["write", "/own/made", "made"], { view: views(true) });
    expect(await lineOf(written.log)).toBe("allowed:");
    expect(await readFile(join(own, "made"), "utf8")).toBe("made");
    const { stdout } = await run("stat", ["-c", "%u", join(own, "made")]);
    expect(stdout).toBe(String(maker.account));
    const read = await room.start(["read", "/own/given"], { view: views(false) });
    expect(await lineOf(read.log)).toBe("allowed: given");
    const kept = await room.start(["write", "/own/given", "other"], { view: views(false) });
    expect(await lineOf(kept.log)).toMatch(/read-only file system/);
  });

  test("has few of what the kernel counts for users", async () => {
    const room = await rooms.make(maker, { userLimits: { ...userLimits, max_inotify_instances: "16" } });
    // The room's first process has some, too.
    expect(await room.attempt("inotify", "64")).toMatch(/^refused: after (\d|1[0-6]): too many open files$/);
  });

  test("starts no more programs than it may", async () => {
    const room = await rooms.make(maker);
    const { log } = await room.start(["processes", "300"], { processes: 100 });
    expect(await lineOf(log)).toMatch(/^refused: after \d{1,2}: .*resource temporarily unavailable$/);
  });

  test("says more than a disk holds into a log that keeps the last of it", async () => {
    const room = await rooms.make(maker);
    const mebibytes = 64;
    const { ended, log } = await room.start(["flood", String(mebibytes)]);
    expect(await ended).toBe("code 0");
    expect(await lineOf(log)).toMatch(/allowed:$/);
    const sizes = await Promise.all([log, `${log}.1`].map(async (path) => (await readFile(path)).length));
    expect(sizes[0]! + sizes[1]!).toBeLessThanOrEqual((16 << 20) + 8192);
    expect((await readdir(room.folder)).sort()).toEqual(["1.log", "1.log.1", "room.json", "room.s"]);
  });

  test("does not begin where a link is in the place of its log", async () => {
    const room = await rooms.make(maker);
    const other = join(room.folder, "other");
    await writeFile(other, "");
    await symlink(other, join(room.folder, "log"));
    await expect(room.start(["flood", "1"], { log: join(room.folder, "log") })).rejects.toThrow("too many levels of symbolic links");
    expect(await readFile(other, "utf8")).toBe("");
  });
});

async function freePort(): Promise<number> {
  const port = await serveOutside({ port: 0, host: "127.0.0.1" });
  const server = servers.pop();
  server?.close();
  return port;
}

describe("numbers of its own", () => {
  test("has a room of root; nobody else can give them", async () => {
    if (suiteIsRoot) {
      const room: Room = await rooms.make(makers[0]!);
      const { pid } = await room.start(["wait"]);
      expect(await readFile(`/proc/${pid}/status`, "utf8")).toContain(`Uid:\t${trialUid}\t${trialUid}\t${trialUid}\t${trialUid}`);
    }
    const room = await rooms.begin(account, { uid: trialUid });
    expect(await room.ended).toBe("code 1");
    expect(room.said()).toMatch(/not possible|not permitted/);
    expect(actingAs(account).length > 0).toBe(suiteIsRoot);
  });
});
