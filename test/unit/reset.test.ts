import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readLastRun } from "../../cli/last-run.ts";
import { askGitHost, findExisting, keepWork, noteAge, requireLearner, requireRemaking } from "../../cli/reset/prepare.ts";
import { giveAgeBack, steps } from "../../cli/reset/reset.ts";
import { written, type Run } from "../../cli/reset/run.ts";
import { countAsUnfinished, destroy, lookBack, readResources, removeFolder, takeAway, takingAway } from "../../cli/reset/take-away.ts";
import { learnerUrn } from "../../cli/stack.ts";
import { creationTime, forgetCreation, noteCreation } from "../../ledger/creation.ts";
import { readInventory, recordCreation } from "../../ledger/inventory.ts";
import { claimCohortFolder } from "../../ledger/ownership.ts";
import { ExitCode } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

let home: string;
const notes: string[] = [];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-reset-"));
  vi.stubEnv("GITOPS_LAB_HOME", home);
  vi.stubEnv("PULUMI_BACKEND_URL", `file://${home}`);
  notes.length = 0;
  vi.spyOn(process.stderr, "write").mockImplementation((text) => notes.push(String(text)) > 0);
  vi.spyOn(process, "cwd").mockReturnValue(home);
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

const plan = {
  cohort: "x",
  git: { kind: "embedded" },
  learners: ["ada", "bob"].map((id) => ({ learner: { id }, cluster: { kind: "embedded" } })),
} as unknown as CohortPlan;

/** A reset of ada as the steps before have left it. */
const runWith = (fields: Partial<Run> = {}): Run => ({ plan, paths: cohortPaths("x"), id: "ada", ...fields });

/** A stack with these URNs in its state. */
function stackWith(urns: readonly string[], destroy: (options: object) => Promise<unknown> = async () => undefined): Stack {
  const resources = urns.map((urn) => ({ urn }));
  return {
    name: "x",
    workspace: { envVars: {} },
    exportStack: async () => ({ version: 3, deployment: { resources } }),
    getAllConfig: async () => ({}),
    destroy,
  } as unknown as Stack;
}

const ada = () => cohortPaths("x").learner("ada");
const made = new Date("2026-11-01T08:00:00.000Z");

describe("the steps of a reset", () => {
  test("look at everything that can refuse before anything goes, keep the work before, and make anew at the end", () => {
    expect(steps.map(({ name }) => name)).toEqual([
      "requireLearner",
      "requireRemaking",
      "findExisting",
      "askGitHost",
      "keepWork",
      "noteAge",
      "takeAway",
      "giveAgeBack",
      "makeAnew",
    ]);
    expect(takingAway.map(({ name }) => name)).toEqual([
      "readResources",
      "countAsUnfinished",
      "destroy",
      "endProcesses",
      "removeFolder",
      "lookBack",
    ]);
  });

  test("say what is missing where one is done before the one it builds on", async () => {
    expect(() => written(runWith(), "backup")).toThrow("no step of the reset has written `backup` yet");
    await expect(destroy(runWith())).rejects.toThrow("`resources`");
  });
});

describe("before anything goes", () => {
  test("who is not in the cohort file is refused, with who is", async () => {
    await requireLearner(runWith());
    await expect(requireLearner(runWith({ id: "eve" }))).rejects.toMatchObject({
      code: "learner-unknown",
      message: expect.stringContaining("ada, bob"),
      exitCode: ExitCode.badInput,
    });
  });

  test("a lab that could not be made again is left", async () => {
    await requireRemaking(runWith());
    const noRoom = { ...plan, room: { kind: "none", because: [] } } as unknown as CohortPlan;
    await expect(requireRemaking(runWith({ plan: noRoom }))).rejects.toMatchObject({ code: "rooms-impossible" });
    await noteCreation(cohortPaths("x"));
    const file = join(cohortPaths("x").root, "created", "_cohort.json");
    await writeFile(file, JSON.stringify({ schemaVersion: 1, at: made.toISOString(), layout: 1 }));
    await expect(requireRemaking(runWith())).rejects.toMatchObject({ code: "layout-other" });
  });

  test("a cohort that is not up has nothing to reset", async () => {
    await expect(findExisting(runWith())).rejects.toMatchObject({
      code: "cohort-not-up",
      message: expect.stringContaining("so there is nothing to reset"),
    });
  });

  test("a repository that would be lost is left", async () => {
    await askGitHost(runWith());
    const elsewhere = { ...plan, git: { kind: "github", onTeardown: "delete" } } as unknown as CohortPlan;
    await expect(askGitHost(runWith({ plan: elsewhere }))).rejects.toMatchObject({ code: "reset-deletes", exitCode: ExitCode.badInput });
  });

  test("work is kept, in the folder that was asked for", async () => {
    await mkdir(join(ada().root, "quiz"), { recursive: true });
    const run = runWith({ out: join(home, "kept") });
    await keepWork(run);
    expect(await readdir(join(home, "kept"))).toEqual(["quiz"]);
    expect(notes.join("")).toContain(`Kept what ada had in ${written(run, "backup")}. Making the lab anew.`);
    await expect(keepWork(run)).rejects.toMatchObject({ code: "backup-exists" });
  });
});

describe("what takes the lab away", () => {
  test("finds what is the learner's alone, and has the engine remove that", async () => {
    const asked: object[] = [];
    const stack = stackWith([learnerUrn("x", "ada"), learnerUrn("x", "bob")], async (options) => void asked.push(options));
    const run = runWith({ stack, backup: "kept" });
    await readResources(run);
    await destroy(run);
    expect(asked).toMatchObject([{ target: [learnerUrn("x", "ada")] }]);
  });

  test("troubles no engine where the state knows nothing of the learner", async () => {
    const destroyed = vi.fn();
    await destroy(runWith({ stack: stackWith([], destroyed), resources: [] }));
    expect(destroyed).not.toHaveBeenCalled();
  });

  test("says where the work is if the engine fails", async () => {
    const stack = stackWith([], () => Promise.reject(new Error("no answer")));
    await expect(destroy(runWith({ stack, backup: "kept", resources: ["urn"] }))).rejects.toMatchObject({
      code: "reset-failed",
      message: expect.stringMatching(/no answer.*Their work is in kept\./),
    });
  });

  test("counts the learner as unfinished, and nobody else", async () => {
    await countAsUnfinished(runWith());
    expect(await readLastRun(cohortPaths("x"))).toEqual({ ada: { result: "unfinished", command: "reset", at: expect.any(String) } });
  });

  test("removes the learner's folder and leaves the others'", async () => {
    await claimCohortFolder(cohortPaths("x"));
    const bob = cohortPaths("x").learner("bob");
    for (const { root } of [ada(), bob]) await mkdir(root, { recursive: true });
    await removeFolder(runWith());
    expect([existsSync(ada().root), existsSync(bob.root)]).toEqual([false, true]);
  });

  test("tells what of the learner is still there", async () => {
    await mkdir(ada().root, { recursive: true });
    await recordCreation(
      "x",
      { kind: "folder", id: ada().root, learner: "ada" },
      { kind: "folder", id: join(home, "gone"), learner: "ada" },
    );
    await lookBack(runWith({ stack: stackWith([]), startedAt: new Date() }));
    expect(await readInventory("x")).toMatchObject([{ id: ada().root }]);
    expect(notes.join("")).toContain(ada().root);
  });

  test("is told to the inventory as long as it goes on", async () => {
    const during: unknown[] = [];
    const stack = stackWith([learnerUrn("x", "ada")], async () => during.push(...(await readInventory("x"))));
    const run = runWith({ stack, backup: "kept" });
    await takeAway(run);
    expect(during).toMatchObject([{ kind: "run", name: "reset x" }]);
    expect(await readInventory("x")).toEqual([]);
    expect(written(run, "startedAt")).toBeInstanceOf(Date);
  });
});

describe("the age of the lab", () => {
  test("stays", async () => {
    await noteCreation(cohortPaths("x"), "ada", made);
    const run = runWith();
    await noteAge(run);
    await forgetCreation(cohortPaths("x"), "ada");
    await giveAgeBack(run);
    expect(await creationTime(cohortPaths("x"), "ada")).toEqual(made);
  });

  test("is not made up where nobody noted it", async () => {
    const run = runWith();
    await noteAge(run);
    await giveAgeBack(run);
    expect(await creationTime(cohortPaths("x"), "ada")).toBeUndefined();
  });
});
