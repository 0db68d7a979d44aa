import { join } from "node:path";
import { expect, test } from "vitest";
import { seedRepository } from "../../host/git/repository.ts";
import { bareRepository } from "../../host/pipeline/bare-repository.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import type { JournalEntry } from "../../verification/journal.ts";
import { observeAtRest } from "../../verification/verify.ts";
import { useLabHome } from "../support/lab-home.ts";
import { LabState } from "../support/lab-state.ts";

/* A verdict is of a lab at rest. The repository and its journal are real. */

useLabHome();
let number = 0;

/** Looks at a lab whose branch was pushed so many seconds ago, until a look passes; returns how many looks it took. */
async function looks(event: JournalEntry["event"], secondsAgo: number, passesAt: number): Promise<number> {
  const path = join(cohortPaths("resting").git, `lab-${number++}.git`);
  await run("git", ["init", "--quiet", "--bare", "--initial-branch=main", path]);
  await seedRepository(path, "main", {
    files: { "README.md": "x" },
    message: "Seed",
    author: { name: "Ada", email: "ada@example.org" },
    date: 1_790_000_000,
  });
  const bare = bareRepository(path);
  const at = new Date(Date.now() - secondsAgo * 1000).toISOString();
  const entry =
    event === "received" ? { event, at, by: "ada", branch: "main" } : ({ event, at, version: "1.0.0", reason: "no" } as JournalEntry);
  await bare.note((await bare.resolve("refs/heads/main"))!, entry);
  const { learner } = new LabState();
  let seen = 0;
  await observeAtRest(
    { ...learner, git: { ...learner.git, url: `file://${path}` } },
    ["production"],
    async ({ git }) => void (await git.head(), (seen += 1)),
    () => (seen >= passesAt ? "pass" : "fail"),
    { kubeconfig: "" },
  );
  return seen;
}

test("a failure a moment after a push is looked at again, and what passes is not", async () => {
  expect(await looks("received", 2, 2)).toBe(2);
  expect(await looks("received", 2, 1)).toBe(1);
});

test("a failure of a lab at rest stands at once, and so does one of a future that a clock made up", async () => {
  expect(await looks("received", 60, 2)).toBe(1);
  expect(await looks("received", -60, 2)).toBe(1);
});

test("nobody looks for ever", async () => {
  const begun = Date.now();
  expect(await looks("received", 1, Infinity)).toBeGreaterThan(2);
  expect(Date.now() - begun).toBeLessThan(40_000);
});
