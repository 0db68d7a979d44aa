import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unpackArchive } from "../../cli/course/archive.ts";
import { CohortResults } from "../../cli/course/results.ts";
import { Receipt } from "../../ledger/receipt.ts";
import { findMarked } from "../../ledger/process-identity.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * A course of one learner from its plan to its end, by the commands an instructor types, on a real lab. The tests build on
 * each other.
 */
let home: string;
let cohort: TestCohort;

const minutes = 60_000;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-course-"));
  cohort = new TestCohort(`e2e-course-${process.pid}`, join(home, "lab"), ["ada"]);
  await cohort.writeFile();
  succeeded(await cohort.lab("up", cohort.name));
}, 4 * minutes);

afterAll(async () => {
  await cohort.takeAway(home);
}, 2 * minutes);

const ofCohort = () => ["--cohort", cohort.name];
const paths = () => cohortPaths(cohort.name, cohort.home);

async function outputs(): Promise<LearnerOutputs> {
  return (await cohort.outputs()).learners["ada"]!;
}

const learnerProcesses = () => findMarked(paths().daemon).filter(({ name }) => name.startsWith("ada/"));

describe("a course", () => {
  test("whose learner is up is planned as such", { timeout: minutes }, async () => {
    const { stdout } = succeeded(await cohort.lab("plan", cohort.name, "--json"));
    expect(JSON.parse(stdout)).toMatchObject({ fits: true, wanted: 1, readySeconds: 0, creates: { up: 1 } });
  });

  test("has results", { timeout: minutes }, async () => {
    succeeded(await cohort.lab("exercise", "hint", "rollback", "ada", ...ofCohort()));
    const results = CohortResults.parse(JSON.parse(succeeded(await cohort.lab("results", cohort.name, "--json")).stdout));
    expect(results.learners[0]).toMatchObject({
      id: "ada",
      evidence: { verdict: "pass", items: [{}, {}, {}, {}] },
      quiz: { attempts: 0 },
      lastActivity: expect.any(String),
    });
    expect(results.learners[0]!.exercises.find(({ id }) => id === "rollback")).toMatchObject({ hints: 1, checks: 0 });
  });

  test("is archived in one file that can be checked and holds no credential", { timeout: minutes }, async () => {
    const file = join(home, "course.tar.gz");
    const fingerprint = /sha256:[0-9a-f]{64}/.exec(succeeded(await cohort.lab("archive", cohort.name, "--out", file)).stdout)![0];
    expect(succeeded(await cohort.lab("archive", "verify", file, "--fingerprint", fingerprint)).stdout).toContain("valid: cohort");
    const content = await readFile(file);
    const files = await unpackArchive(content, file);
    expect([...files.keys()]).toEqual(
      expect.arrayContaining(["results.json", "cohort.yaml", "learners/ada/evidence/evidence.json", "learners/ada/records/exercises.json"]),
    );
    const { git, registry, cluster } = await outputs();
    const keys = [cluster.kubeconfig, cluster.adminKubeconfig].map((text) => /client-key-data: (\S+)/.exec(text)![1]!);
    for (const [name, bytes] of files)
      for (const secret of [git.password, registry.password, ...keys]) expect(bytes.includes(secret), name).toBe(false);
    content[content.length >> 1]! ^= 1;
    await writeFile(join(home, "changed.tar.gz"), content);
    expect((await cohort.lab("archive", "verify", join(home, "changed.tar.gz"))).exitCode).toBe(1);
    expect(await cohort.lab("archive", cohort.name, "--out", file)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("never overwritten"),
    });
    expect(await cohort.lab("archive", cohort.name, "--out", join(cohort.home, "x.tar.gz"))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("removed with its last cohort"),
    });
  });
});

describe("a learner", () => {
  test("is paused without the others, and resumed", { timeout: minutes }, async () => {
    expect(await cohort.lab("pause", "eve", ...ofCohort())).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('learner "eve"'),
    });
    succeeded(await cohort.lab("pause", "ada", ...ofCohort()));
    expect(learnerProcesses()).toEqual([]);
    expect(findMarked(paths().daemon).map(({ name }) => name)).toContain("registry");
    const { stdout } = succeeded(await cohort.lab("status", cohort.name));
    expect(stdout).toContain("ada is paused");
    // A pause outlasts a stop of the cohort and its start.
    succeeded(await cohort.lab("stop", cohort.name));
    expect((await cohort.lab("status", cohort.name)).exitCode).toBe(1);
    expect(succeeded(await cohort.lab("start", cohort.name)).stderr).toContain("but for ada, who is paused");
    expect(learnerProcesses()).toEqual([]);
    // And an up, for which it is well.
    const up = succeeded(await cohort.lab("up", cohort.name));
    expect(up.stdout).toMatch(/^ada\s+paused\s/m);
    expect(up.stderr).toContain("ada is paused");
    expect(learnerProcesses()).toEqual([]);
    succeeded(await cohort.lab("resume", "ada", ...ofCohort()));
    expect(learnerProcesses().length).toBeGreaterThan(8);
  });

  test("is reset to a fresh lab, with a backup of what they had", { timeout: 3 * minutes }, async () => {
    const before = await outputs();
    const made = await readFile(join(paths().root, "created", "ada.json"), "utf8");
    const backup = join(home, "backup");
    expect(succeeded(await cohort.lab("reset", "ada", ...ofCohort(), "--out", backup)).stderr).toContain(
      "The lab of ada is gone: nothing is left of",
    );
    expect((await readdir(backup)).sort()).toEqual(["exercises", "repository.bundle"]);
    const heads = succeeded(await cohort.run("git", ["bundle", "list-heads", join(backup, "repository.bundle")]));
    expect(heads.stdout).toContain("refs/heads/main");

    const after = await outputs();
    expect(after.cluster.id).not.toBe(before.cluster.id);
    expect(after.git.password).not.toBe(before.git.password);
    expect(existsSync(join(paths().learner("ada").root, "exercises"))).toBe(false);
    expect(await readFile(join(paths().root, "created", "ada.json"), "utf8")).toBe(made);
    expect(await cohort.lab("reset", "ada", ...ofCohort(), "--out", backup)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("Nothing was changed"),
    });
  });
});

describe("a course past its time", () => {
  test("is archived, and only then removed", { timeout: 2 * minutes }, async () => {
    const archives = join(home, "archives");
    expect(succeeded(await cohort.lab("reap", "--out", archives)).stdout).toContain("Nothing is past its time");
    expect(existsSync(archives)).toBe(false);

    await writeFile(join(paths().root, "created", "_cohort.json"), JSON.stringify({ schemaVersion: 1, at: "2020-01-01T00:00:00.000Z" }));
    expect((await cohort.lab("status", cohort.name)).stderr).toContain("the cohort's time ended at 2020-01-15");
    expect(succeeded(await cohort.lab("reap", "--dry-run", "--out", archives)).stdout).toContain("would be archived and removed");
    expect(learnerProcesses().length).toBeGreaterThan(8);

    // Whatever keeps the archive from being written keeps the cohort, too.
    await writeFile(join(home, "no-folder"), "");
    const kept = await cohort.lab("reap", "--out", join(home, "no-folder"));
    expect(kept).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("stays: The archive") });
    expect(learnerProcesses().length).toBeGreaterThan(8);

    // A stopped cohort is started for its evidence.
    succeeded(await cohort.lab("stop", cohort.name));
    const { stdout, stderr } = succeeded(await cohort.lab("reap", "--json", "--out", archives));
    const { reaped } = JSON.parse(stdout) as {
      reaped: { archive: string; fingerprint: string; receipt: string }[];
    };
    expect(reaped).toHaveLength(1);
    expect(reaped[0]!.receipt).toBe(reaped[0]!.archive.replace(".tar.gz", ".receipt.json"));
    expect(findMarked(paths().daemon)).toEqual([]);
    expect(existsSync(paths().root)).toBe(false);
    const [receipt, file] = (await readdir(archives)).sort();
    expect(Receipt.parse(JSON.parse(await readFile(join(archives, receipt!), "utf8")))).toMatchObject({
      cohort: cohort.name,
      result: "zero",
    });
    const results = await unpackArchive(await readFile(join(archives, file!)), "x");
    const { evidence } = CohortResults.parse(JSON.parse(results.get("results.json")!.toString())).learners[0]!;
    expect(evidence.verdict, stderr + results.get("learners/ada/evidence/evidence.md")!.toString()).toBe("pass");
    succeeded(await cohort.lab("archive", "verify", join(archives, file!), "--fingerprint", reaped[0]!.fingerprint));
  });
});
