import { createReadStream, existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Receipt } from "../../ledger/receipt.ts";
import { endOne, findMarked } from "../../ledger/process-identity.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * A lab that version 0.1.0 left, with a learner's work in it, in the hands of this version. What was recorded is in
 * test/fixtures/lab-0.1.0. The tests build on each other.
 */
const fixture = join(import.meta.dirname, "../fixtures/lab-0.1.0");
/** Where the lab was, which its state says. */
const recordedAt = "/tmp/gl-0.1.0";
const fingerprint = "sha256:f813bbd013b3e30c88a04fc7c39ac37bb44efa70381ebb7e1502d98fe056def6";
/** Ada's, and what came of it. */
const shipped = "9326ea36dbcb7c4b9f9edbc837cce2143f1570d1";
const tip = "04c28326631afe5c06aefd6a1c5c8d4691095b9a";
const production = "production-v0.3.0-9326ea3-1795751660";

const minutes = 60_000;
const cohort = new TestCohort("e2e-recorded", join(recordedAt, "lab"), ["ada"]);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-upgrade-"));
  await end();
  await mkdir(recordedAt, { recursive: true });
  const untar = run("tar", ["--extract", "--no-same-owner", "--preserve-permissions", "--file", "-", "--directory", recordedAt]);
  await Promise.all([pipeline(createReadStream(join(fixture, "home.tar.br")), createBrotliDecompress(), untar.stdin!), untar]);
  await copyFile(join(fixture, "Pulumi.e2e-recorded.yaml"), join(import.meta.dirname, "../../stacks/Pulumi.e2e-recorded.yaml"));
}, 2 * minutes);

afterAll(async () => {
  await cohort.lab("down", cohort.name);
  await end();
  await cohort.removeFile();
  await rm(folder, { recursive: true, force: true });
}, 2 * minutes);

const marked = () => findMarked(cohortPaths(cohort.name, cohort.home).daemon);

/** Of an earlier run that was killed, too. */
async function end(): Promise<void> {
  for (const { identity } of marked()) endOne(identity);
  await rm(recordedAt, { recursive: true, force: true });
}

/** The learner's repository, fetched with the learner's credential. */
async function clone(): Promise<string> {
  const { git } = (await cohort.outputs()).learners["ada"]!;
  const at = await mkdtemp(join(folder, "clone-"));
  const url = git.url.replace("://", `://${git.username}:${git.password}@`);
  succeeded(await cohort.run("git", ["clone", "--quiet", url, at]));
  return at;
}

describe("a lab of 0.1.0", () => {
  test("is known for what it is before it is touched", { timeout: minutes }, async () => {
    expect(succeeded(await cohort.lab("plan", cohort.name)).stdout).toContain("1 learner");
    expect((await cohort.lab("status", cohort.name)).stdout).toContain(`lab daemon of ${cohort.name}: stopped`);
    expect(marked()).toEqual([]);
  });

  test("comes up in this version, and its evidence is proved", { timeout: 10 * minutes }, async () => {
    expect(succeeded(await cohort.lab("up", cohort.name)).stdout).toContain(production);
    // Its controllers look at everything anew, and one that was moved in the middle of that tries again after the two minutes
    // that a Kustomization of the template has.
    await waitUntil(
      async () => {
        const { exitCode, stdout } = await cohort.lab("verify", "ada", "--cohort", cohort.name);
        return exitCode === 0 && stdout.match(/✓/g)?.length === 4 ? { done: true, value: undefined } : { done: false, because: stdout };
      },
      { what: "the evidence of ada", timeoutSeconds: 300, intervalMs: 1000, remedy: "" },
    );
  });

  test("keeps the learner's work: commits, images, quiz, addresses", { timeout: 2 * minutes }, async () => {
    const at = await clone();
    const log = succeeded(await cohort.run("git", ["-C", at, "log", "--format=%H"])).stdout.split("\n");
    expect(log).toEqual(expect.arrayContaining([shipped, tip]));
    expect(await readFile(join(at, "README.md"), "utf8")).toContain("Ada was here: notes that must outlive an upgrade.");
    const results = JSON.parse(succeeded(await cohort.lab("quiz", "--results", "--cohort", cohort.name, "--json")).stdout);
    expect(results.learners.ada.attempts).toMatchObject([{ time: expect.stringMatching(/^2026-11-27T/) }]);
    const { registry, cluster } = (await cohort.outputs()).learners["ada"]!;
    expect(registry.repository).toMatch(/^127\.0\.0\.1:19782\//);
    expect(cluster.apiServer).toMatch(/:19783$/);
  });

  test("goes on from there: a push ships the next release", { timeout: 3 * minutes }, async () => {
    const at = await clone();
    const git = (...args: string[]) =>
      cohort.run("git", ["-C", at, "-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org", ...args]);
    succeeded(await cohort.run("sh", ["-c", `printf '0.4.0\\n' >'${at}/app/VERSION'`]));
    succeeded(await git("commit", "--quiet", "--all", "--message", "Ship 0.4.0"));
    expect(succeeded(await git("push", "origin", "HEAD")).stderr).toContain("Built develop-v0.4.0-");
  });

  test("has nothing to do the second time", { timeout: 2 * minutes }, async () => {
    expect(succeeded(await cohort.lab("up", cohort.name, "--engine")).stderr).toContain("0 changes");
  });

  test("goes without a rest", { timeout: 3 * minutes }, async () => {
    const file = join(folder, "receipt.json");
    succeeded(await cohort.lab("down", cohort.name, "--receipt", file));
    expect(Receipt.parse(JSON.parse(await readFile(file, "utf8")))).toMatchObject({ result: "zero", cohort: cohort.name });
    expect(marked()).toEqual([]);
    expect(existsSync(cohort.home)).toBe(false);
  });
});

describe("an archive of 0.1.0", () => {
  const archive = join(fixture, "archive.tar.gz");

  test("is checked by this version, with every bundle in it", { timeout: minutes }, async () => {
    const checked = succeeded(await cohort.lab("archive", "verify", archive, "--fingerprint", fingerprint));
    expect(checked.stdout).toMatch(new RegExp(`^valid: cohort ${cohort.name}, 2026-11-27T`));
  });

  test("that was changed since is refused", { timeout: minutes }, async () => {
    const content = join(folder, "content");
    await mkdir(content);
    succeeded(await cohort.run("tar", ["-xzf", archive, "-C", content]));
    succeeded(
      await cohort.run("sh", [
        "-c",
        `grep -rl 0.3.0 '${content}' | xargs sed -i s/0.3.0/0.3.1/ && cd '${content}' && tar -czf ../changed.tar.gz *`,
      ]),
    );
    const changed = await cohort.lab("archive", "verify", join(folder, "changed.tar.gz"), "--fingerprint", fingerprint);
    expect(changed).toMatchObject({ exitCode: 1, stdout: expect.not.stringContaining("valid") });
  });
});
