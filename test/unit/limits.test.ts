import { describe, expect, test } from "vitest";
import { quotaLines, quotasOf } from "../../cli/capacity/quotas.ts";
import { recentLimitHits, recordLimitHit } from "../../host/limits/hits.ts";
import { limitsForWeb, limitsOf, writeLimits } from "../../host/limits/stored.ts";
import { LabError } from "../../shared/errors.ts";
import { defaultLimits } from "../../shared/limits.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohortFile } from "../../stacks/load-spec.ts";
import { useLabHome } from "../support/lab-home.ts";

const MiB = 1024 ** 2;
const fileWith = (limits: string) =>
  `config:\n  gitops-lab:cohort:\n    course: A course\n    learners: [{ id: ada, name: Ada, email: ada@example.org }]\n${limits}`;
const limitsIn = (limits: string) => parseCohortFile(fileWith(`    limits: ${limits}\n`), "x").limits;

describe("limits in the cohort file", () => {
  test("are the defaults where it has none, or only some", () => {
    expect(parseCohortFile(fileWith(""), "x").limits).toEqual(defaultLimits);
    expect(limitsIn("{ cpu: 0.9, disk: { git: 1GiB } }")).toEqual({
      ...defaultLimits,
      cpu: 0.9,
      disk: { ...defaultLimits.disk, git: 1024 * MiB },
    });
  });

  test.each([
    ["200MiB", 200 * MiB],
    ["200 mib", 200 * MiB],
    ["1.5GiB", 1536 * MiB],
    ["4Gi", 4096 * MiB],
    ["100MB", 100e6],
  ])("take %s", (size, bytes) => expect(limitsIn(`{ push: ${size}, file: 1MiB, disk: { git: 8GiB } }`).push).toBe(bytes));

  test.each([
    ["{ push: 200 }", /`limits\.push` is 200; it must be a size with its unit, such as 200MiB or 4GiB/],
    ["{ push: 4G }", /`limits\.push` is "4G"; it must be a size with its unit/],
    ["{ push: -1MiB }", /`limits\.push` is "-1MiB"; it must be a size/],
    ["{ memory: 100MiB }", /`limits\.memory` is "100MiB"; it must be at least 512 MiB, or a lab can't work/],
    ["{ cpu: 0 }", /`limits\.cpu` is 0; it must be at least 0\.2/],
    ["{ refs: 1.5 }", /`limits\.refs`/],
    ["{ disk: { etcd: 64MiB } }", /`limits\.disk\.etcd` is "64MiB"; it must be at least 192 MiB/],
    ["{ file: 60MiB }", /`limits\.file` is 60 MiB, more than the 50 MiB of `limits\.push`/],
    ["{ push: 1GiB }", /`limits\.push` is 1 GiB, more than the 500 MiB of `limits\.disk\.git`/],
    ["{ disc: { git: 1GiB } }", /`limits` has unknown field `disc`/],
  ])("refuse %s", (limits, sentence) => {
    expect(() => limitsIn(limits)).toThrow(LabError);
    expect(() => limitsIn(limits)).toThrow(sentence);
  });
});

describe("plan", () => {
  test("reckons what all could take at once, with nodes where there are some", () => {
    const machine = { memoryMiB: 24 * 1024, diskMiB: 100 * 1024 };
    const quotas = quotasOf(10, defaultLimits, "simulated", machine);
    expect(quotas).toMatchObject({ memoryIsThere: true, diskIsThere: true });
    expect(quotasOf(10, defaultLimits, "real", machine).disk - quotas.disk).toBe(defaultLimits.disk.node);
    expect(quotaLines(quotas)[1]).toBe("at most, if all 10 took all of it: 20 GiB of memory and 22.4 GiB of disk");
    expect(quotaLines(quotasOf(20, defaultLimits, "real", machine))[1]).toMatch(/more memory and disk than this machine has left/);
  });
});

describe("on the lab host", () => {
  useLabHome();

  test("limits are the defaults until they are written", async () => {
    const paths = cohortPaths("demo");
    expect(await limitsOf(paths)).toEqual(defaultLimits);
    await writeLimits(paths, { ...defaultLimits, refs: 20 });
    expect((await limitsOf(paths)).refs).toBe(20);
    expect(await limitsForWeb(paths)).toEqual(await limitsOf(paths));
  });

  test("what is hit is kept, newest last, and never more than some", async () => {
    const ada = cohortPaths("demo").learner("ada");
    expect(await recentLimitHits(ada)).toEqual([]);
    for (let count = 0; count < 400; count += 1) await recordLimitHit(ada, "push", `${count} ${"x".repeat(1000)}`);
    const kept = await recentLimitHits(ada);
    expect(kept.at(-1)?.said).toMatch(/^399 /);
    expect(kept.length).toBeLessThan(160);
    expect(JSON.stringify(kept).length).toBeLessThan(100_000);
    expect(await recentLimitHits(ada, new Date(Date.now() + 1000))).toEqual([]);
  });
});
