import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { dropAbandoned, isAbandoned, locked } from "../../shared/locked.ts";
import { eventually } from "../support/lab-server.ts";

/* Between real processes, each of which may be killed while it holds the lock. */
let folder: string;
let file: string;
const folders: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-locked-"));
  folders.push(folder);
  file = join(folder, "thing");
});
afterAll(async () => {
  for (const one of folders) await rm(one, { recursive: true });
});

const module = fileURLToPath(new URL("../../shared/locked.ts", import.meta.url));
/** Another process, which does this while it holds the lock. */
const other = (work: string) =>
  run(
    process.execPath,
    ["--input-type=module", "-e", `import * as fs from "node:fs"; import { locked } from ${JSON.stringify(module)}; ${work}`],
    {
      reject: false,
      env: { FILE: file },
    },
  );
const holding = () =>
  other(
    'await locked(process.env.FILE, () => { fs.writeFileSync(process.env.FILE + ".held", ""); return new Promise(() => setInterval(() => {}, 1000)); });',
  );
const isHeld = () => eventually("the lock to be held", async () => existsSync(`${file}.held`));

const day = 24 * 60 * 60 * 1000;
/** What a clock that was put forward or back makes of a lock's time. */
const atAnotherTime = async (lock: string, byMs: number) => {
  const time = new Date(Date.now() + byMs);
  await utimes(lock, time, time);
};

test("one process at a time does its work, and nothing is left of the lock", { timeout: 60_000 }, async () => {
  await writeFile(file, "0");
  const work =
    "for (let i = 0; i < 20; i += 1) await locked(process.env.FILE, async () => { const n = Number(fs.readFileSync(process.env.FILE)); await new Promise((r) => setTimeout(r, 1)); fs.writeFileSync(process.env.FILE, String(n + 1)); });";
  const ended = await Promise.all(Array.from({ length: 4 }, () => other(work)));
  expect(ended.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(ended.map(() => [0, ""]));
  expect(await readFile(file, "utf8")).toBe("80");
  expect(await readdir(folder)).toEqual(["thing"]);
});

test("one of this process at a time as well", async () => {
  const order: string[] = [];
  const turn = (name: string) =>
    locked(file, async () => {
      order.push(name);
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push(name);
    });
  await Promise.all([turn("a"), turn("b"), turn("c")]);
  for (const at of [0, 2, 4]) expect(order[at]).toBe(order[at + 1]);
});

describe.each([
  ["now", 0],
  ["a day before", -day],
  ["a day later", day],
])("a lock whose time is %s", (_name, byMs) => {
  test("is free at once where its holder was killed", { timeout: 30_000 }, async () => {
    const child = holding();
    await isHeld();
    child.kill("SIGKILL");
    await child;
    await atAnotherTime(`${file}.lock`, byMs);
    expect(await isAbandoned(`${file}.lock`)).toBe(true);
    const began = performance.now();
    expect(await locked(file, async () => "mine")).toBe("mine");
    expect(performance.now() - began).toBeLessThan(1000);
  });

  test("is waited for while its holder lives, and the holder is named", { timeout: 30_000 }, async () => {
    const child = holding();
    await isHeld();
    await atAnotherTime(`${file}.lock`, byMs);
    await expect(locked(file, async () => "mine", 0.5)).rejects.toMatchObject({
      code: "lock-held",
      message: expect.stringContaining(`kill ${child.pid}`),
    });
    child.kill("SIGKILL");
    await child;
  });
});

test("what an earlier version holds is waited for as long as it renews it", { timeout: 30_000 }, async () => {
  const lock = `${file}.lock`;
  await mkdir(lock);
  await expect(locked(file, async () => "mine", 0.3)).rejects.toMatchObject({ code: "lock-held" });
  for (const byMs of [-day, day]) {
    await mkdir(lock, { recursive: true });
    await atAnotherTime(lock, byMs);
    expect(await locked(file, async () => "mine", 0.3)).toBe("mine");
  }
});

describe.each<[string, (lock: string) => Promise<unknown>]>([
  ["a file with dots in its name", (lock) => writeFile(join(lock, "notes.2024.final.txt"), "mine")],
  ["a folder that is called like a holder of long ago", (lock) => mkdir(join(lock, "a.b.c.d", "below"), { recursive: true })],
])("a folder of somebody's in a lock's place, with %s", (_name, fill) => {
  test("stays as it is, however old, and is named with what helps", async () => {
    const lock = `${file}.lock`;
    await mkdir(lock);
    await fill(lock);
    const before = await readdir(lock, { recursive: true });
    await atAnotherTime(lock, -day);
    expect(await isAbandoned(lock)).toBe(false);
    await dropAbandoned(lock);
    await expect(locked(file, async () => "mine", 0.3)).rejects.toMatchObject({
      code: "lock-held",
      message: expect.stringContaining(`mv ${lock} ${lock}.old`),
    });
    expect(await readdir(lock, { recursive: true })).toEqual(before);
    expect(await readdir(folder)).toEqual(["thing.lock"]);
  });
});

test("a file of somebody's in a lock's place stays", async () => {
  await writeFile(`${file}.lock`, "mine");
  await atAnotherTime(`${file}.lock`, -day);
  await expect(locked(file, async () => "mine", 0.3)).rejects.toMatchObject({ code: "lock-held" });
  expect(await readFile(`${file}.lock`, "utf8")).toBe("mine");
});

test("a lock that somebody took meanwhile is not dropped as abandoned", async () => {
  await locked(file, async () => {
    await dropAbandoned(`${file}.lock`);
    expect(existsSync(`${file}.lock`)).toBe(true);
  });
  expect(existsSync(`${file}.lock`)).toBe(false);
});
