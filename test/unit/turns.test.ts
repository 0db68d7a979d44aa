import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { folderOf } from "../../host/room/cgroups.ts";
import { cpuSecondsIn, LearnerGroup, waits } from "../../host/room/turns.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "turns-"));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(root, { recursive: true, force: true });
});

describe("who uses much of the processors", () => {
  test("waits from four tenths of them on, and until it is a tenth", () => {
    const cores = 10;
    expect([3.9, 4.1].map((average) => waits(false, average, cores))).toEqual([false, true]);
    expect([3.9, 1.1, 0.9].map((average) => waits(true, average, cores))).toEqual([true, true, false]);
  });

  test.each([1, 2] as const)("is told by control groups of version %i, and waits until that is over", async (version) => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const [cpu, cpuacct] = version === 2 ? [root, root] : [join(root, "cpu"), join(root, "cpuacct")];
    for (const folder of [cpu, cpuacct]) mkdirSync(folder, { recursive: true });
    const group = new LearnerGroup("ada", { version, folders: version === 2 ? { unified: root } : { cpu, cpuacct } });
    // No process is in it yet.
    await group.look();
    writeFileSync(join(cpu, "cpu.idle"), "0\n");
    let used = 0;
    const looks = async (count: number, cores: number) => {
      for (let look = 0; look < count; look += 1) {
        used += 2 * cores;
        writeFileSync(
          join(cpuacct, version === 2 ? "cpu.stat" : "cpuacct.usage"),
          version === 2 ? `usage_usec ${used * 1e6}\nuser_usec 7\n` : `${used * 1e9}\n`,
        );
        vi.advanceTimersByTime(2_000);
        await group.look();
      }
      return readFileSync(join(cpu, "cpu.idle"), "utf8").trim();
    };
    const all = 1_000;
    expect(await looks(10, 0)).toBe("0");
    expect(await looks(1, all)).toBe("1");
    // Who waits uses less for that alone.
    expect(await looks(2, 0)).toBe("1");
    expect(await looks(200, 0)).toBe("0");
  });

  test("reads what the kernel says in either form, and nothing else", () => {
    expect(cpuSecondsIn("1500000000\n")).toBe(1.5);
    expect(cpuSecondsIn("usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n")).toBe(2.5);
    expect(cpuSecondsIn("")).toBeUndefined();
    expect(cpuSecondsIn("user_usec 1\n")).toBeUndefined();
  });
});

test("a controller's folder is found however the machine mounts it", () => {
  expect(folderOf({ version: 2, folders: { unified: "/u" } }, "cpu")).toBe("/u");
  expect(folderOf({ version: 1, folders: { "cpu,cpuacct": "/both", memory: "/m" } }, "cpuacct")).toBe("/both");
  expect(folderOf({ version: 1, folders: { cpuset: "/s", cpu: "/c" } }, "cpu")).toBe("/c");
  expect(folderOf({ version: 1, folders: { memory: "/m" } }, "cpu")).toBeUndefined();
});
