import { mkdir, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fullDisk } from "../../cli/full-disk.ts";
import { claimCohortFolder } from "../../ledger/ownership.ts";
import { makeRoom } from "../../host/make-room.ts";
import { LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();

test("a full disk is a sentence with what helps, whoever met it", () => {
  for (const error of [
    Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }),
    Object.assign(new Error("EDQUOT: disk quota exceeded, open 'x'"), { code: "EDQUOT" }),
    new Error("Command failed: pulumi up\nerror: write /x/y.json: no space left on device"),
  ]) {
    const told = fullDisk(error);
    expect(told).toMatchObject({
      code: "disk-full",
      exitCode: 2,
      message: expect.stringMatching(/^[^\n]*`df -h[^\n]*run the command again\.$/),
    });
  }
});

test("any other error is none of a full disk", () => {
  expect(fullDisk(new Error("connection refused"))).toBeUndefined();
  expect(fullDisk(new LabError("up-failed", "no space left on device"))).toBeUndefined();
  expect(fullDisk("no space left on device")).toBeUndefined();
});

test("a cohort that is to be removed gives its database back first where there is no room, and nothing of the learner's work", async () => {
  await claimCohortFolder(cohortPaths("demo"));
  const { root, cluster } = cohortPaths("demo").learner("ada");
  const [database, record] = [join(cluster, "etcd", "data", "db"), join(root, "exercises", "records.json")];
  for (const file of [database, record]) {
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, "x");
  }
  await makeRoom("demo", 0);
  expect(existsSync(database)).toBe(true);
  await makeRoom("demo", Infinity);
  expect([existsSync(database), existsSync(record)]).toEqual([false, true]);
});

test("a folder that is not the lab's gives nothing back", async () => {
  await claimCohortFolder(cohortPaths("other"));
  const { root, learner } = cohortPaths("other");
  await writeFile(join(root, "owner"), "somebody");
  const database = join(learner("ada").cluster, "etcd", "db");
  await mkdir(join(database, ".."), { recursive: true });
  await writeFile(database, "x");
  await makeRoom("other", Infinity);
  expect(existsSync(database)).toBe(true);
});
