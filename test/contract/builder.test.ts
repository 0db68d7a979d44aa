import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { describe, expect, test } from "vitest";
import { buildModule, type Built } from "../../host/images/program.ts";
import { jobsServer } from "../../host/jobs/server.ts";
import { JobQueue, QueueFull } from "../../host/jobs/queue.ts";
import { runThrownAway, type JobRoom } from "../../host/room/thrown-away.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
/** Of the numbers for trials: tools/go/room/lab-room/probe.go. */
const room: JobRoom = { uid: process.getuid?.() === 0 ? 0x7ffd_0000 : 0 };

type Entry = string | Buffer | { readonly link: string };
async function tar(files: Readonly<Record<string, Entry>>): Promise<Buffer> {
  const archive = pack();
  const all = buffer(archive);
  for (const [name, what] of Object.entries(files)) {
    if (typeof what === "string" || Buffer.isBuffer(what)) archive.entry({ name }, what);
    else archive.entry({ name, type: "symlink", linkname: what.link });
  }
  archive.finalize();
  return all;
}
const goMod = "module app\n\ngo 1.24\n";
const build = async (files: Readonly<Record<string, Entry>>): Promise<Built> => buildModule(await tar({ "go.mod": goMod, ...files }), room);
const hello = 'package main\n\nfunc main() { println("hello") }\n';

/** Processes whose command line has these words. */
function running(words: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(words);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe("a build in a room", { timeout: 300_000 }, () => {
  test("makes the program that is made without one", async () => {
    const module = await tar({ "go.mod": goMod, "main.go": hello });
    const [apart, plain] = [await buildModule(module, room), await buildModule(module, "none")];
    expect(apart).toHaveProperty("program");
    expect(plain).toEqual(apart);
  });

  test("says what the compiler says of the module's files", async () => {
    expect(await build({ "main.go": "package main\n\nfunc main() { x }\n" })).toEqual({
      words: expect.stringContaining("main.go:3:15: undefined: x"),
    });
  });

  test.each<[string, Readonly<Record<string, Entry>>, RegExp]>([
    ["an assembler's include of a file of the host", { "main.go": hello, "x.s": '#include "/etc/passwd"\n' }, /x\.s" is not Go/],
    ["an object", { "main.go": hello, "x.syso": "x" }, /is not Go/],
    ["a symbolic link", { "main.go": hello, "key.txt": { link: "/etc/passwd" } }, /is no file/],
    ["a way out of the module", { "main.go": hello, "../out.go": hello }, /no path within/],
    ["a deep path", { "main.go": hello, [`${"a/".repeat(60)}x.go`]: "package a\n" }, /too deep/],
    [
      "many files",
      { "main.go": hello, ...Object.fromEntries(Array.from({ length: 2100 }, (_, n) => [`f${n}.txt`, ""])) },
      /more than 2000 files/,
    ],
    ["no package main", { "main.go": "package app\n" }, /no program|package main/],
    ["a file of 33 MB, as for go:embed", { "main.go": hello, "big.bin": Buffer.alloc(33 * 1024 ** 2) }, /more than 32 MiB/],
  ])("refuses %s", async (_, files, sentence) => {
    const built = await build(files);
    expect("fault" in built ? built.fault : JSON.stringify(built)).toMatch(sentence);
  });

  test("ends at its memory: a constant of 256 MB", async () => {
    const doubled = Array.from({ length: 24 }, (_, n) => `const c${n + 1} = c${n} + c${n}`).join("\n");
    const built = await build({ "main.go": `package main\n\nconst c0 = "0123456789abcdef"\n${doubled}\n\nfunc main() { println(c24) }\n` });
    expect("fault" in built ? built.fault : Object.keys(built)).toMatch(/memory|larger|room for files/);
  });

  test("runs nothing of the module", async () => {
    const built = await build({
      "main.go": `package main\n\n//go:generate touch /tmp/generated\nfunc init() { panic("ran") }\nfunc main() {}\n`,
    });
    expect(built).toHaveProperty("program");
  });
});

describe("a job", { timeout: 120_000 }, () => {
  /** A program of the test's own, run in a room. */
  async function job(source: string, more: { readonly seconds?: number; readonly outputBytes?: number; readonly args?: string[] } = {}) {
    const built = await build({ "main.go": source });
    if (!("program" in built)) throw new Error(JSON.stringify(built));
    const program = join(home(), `probe-${Math.random().toString(36).slice(2)}`);
    await writeFile(program, built.program);
    await chmod(program, 0o755);
    return runThrownAway({
      program,
      args: more.args ?? [],
      limits: { seconds: more.seconds ?? 20, memoryBytes: 256 * 1024 ** 2, processes: 64, outputBytes: more.outputBytes ?? 1024 ** 2 },
      room,
    });
  }

  test("sees no host, no processes and no network", async () => {
    await mkdir(join(home(), "other"), { recursive: true });
    await writeFile(join(home(), "other", "secret"), "secret");
    const { stdout } = await job(`package main

import ("fmt"; "net"; "os"; "time")

func main() {
	for _, path := range []string{"/proc/self", "/etc/passwd", "/root", "/sys", ${JSON.stringify(join(home(), "other", "secret"))}} {
		if _, err := os.Stat(path); err == nil { fmt.Println("sees", path) }
	}
	for _, address := range []string{"1.1.1.1:53", "10.0.0.1:80"} {
		if _, err := net.DialTimeout("tcp", address, time.Second); err == nil { fmt.Println("reaches", address) }
	}
	interfaces, _ := net.Interfaces()
	for _, one := range interfaces { fmt.Println(one.Name) }
	fmt.Println(os.Environ())
}
`);
    expect(stdout.toString()).toBe("lo\n[]\n");
  });

  test("ends at its output", async () => {
    const flood = 'package main\n\nimport ("os"; "bytes")\n\nfunc main() { for { os.Stderr.Write(bytes.Repeat([]byte("x"), 65536)) } }\n';
    const { end, stderr } = await job(flood);
    expect(end).toBe("too-much-output");
    expect(stderr.length).toBeLessThanOrEqual(1024 ** 2);
  });

  test("ends at its time with all that it started", async () => {
    const parent =
      'package main\n\nimport ("os"; "os/exec"; "time")\n\nfunc main() { for i := 0; i < 5 && len(os.Args) < 2; i++ { exec.Command(os.Args[0], "survivor").Start() }; time.Sleep(time.Hour) }\n';
    const ending = job(parent, { seconds: 3 });
    await expect.poll(() => running("survivor").length, { timeout: 20_000 }).toBe(5);
    expect((await ending).end).toBe("too-long");
    expect(running("survivor")).toEqual([]);
  });
});

describe("jobs of the daemon", () => {
  test("are of two kinds, for learners there are", async () => {
    const server = jobsServer(
      {
        build: async () => ({ fault: "built" }),
        render: async () => ({ end: "ended", exitCode: 0, stdout: Buffer.from("{}"), stderr: "" }),
      },
      async (id) => id === "ada",
    );
    const path = join(home(), "j.sock");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const ask = (method: string, url: string, body = "") =>
      new Promise<number | undefined>((resolve, reject) =>
        request({ socketPath: path, method, path: url, agent: false }, (response) => resolve(response.resume().statusCode))
          .on("error", reject)
          .end(body),
      );
    const answers = await Promise.all(
      [
        ["POST", "/build/ada"],
        ["POST", "/render/ada"],
        ["GET", "/build/ada"],
        ["POST", "/run/ada"],
        ["POST", "/build/bob"],
        ["POST", "/build/../ada"],
        ["POST", "/build/ada/etc"],
        ["POST", "/build/ada?program=/bin/sh"],
      ].map(([method = "", url = ""]) => ask(method, url)),
    );
    expect(answers).toEqual([200, 200, 404, 404, 404, 404, 404, 404]);
    server.close();
  });

  test("are one at once for a learner, two in all, and a few wait", async () => {
    const queue = new JobQueue();
    const [started, ends] = [[] as string[], [] as (() => void)[]];
    const work = (name: string) => queue.run(name, () => (started.push(name), new Promise<void>((resolve) => ends.push(resolve))));
    const all = [work("ada"), work("ada"), work("bob"), work("eve"), work("ada"), work("ada"), work("ada")];
    await expect.poll(() => started).toEqual(["ada", "bob"]);
    await expect(work("ada")).rejects.toThrow(QueueFull);
    for (let done = 0; done < all.length; done += 1) await expect.poll(() => ends.shift()?.() ?? ends.length >= 0).toBeTruthy();
    await Promise.race([Promise.all(all), expect.poll(() => (ends.splice(0).forEach((end) => end()), started.length)).toBe(7)]);
    expect(existsSync("/tmp/generated")).toBe(false);
  });
});
