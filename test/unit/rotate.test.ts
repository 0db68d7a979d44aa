import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { choosePossible, requireInFile, requireRunning, requireSameLayout } from "../../cli/rotate/choose.ts";
import { askForNew, carryOut, shutPage, steps } from "../../cli/rotate/rotate.ts";
import { handedOver, newRun, rotatable, type Run } from "../../cli/rotate/run.ts";
import { issueEntry, takeEntry, visitsEndedAt } from "../../dashboard/access.ts";
import { noteCreation } from "../../ledger/creation.ts";
import { generationsOf } from "../../ledger/rotations.ts";
import { ExitCode } from "../../shared/errors.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

let home: string;
const notes: string[] = [];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-rotate-"));
  vi.stubEnv("GITOPS_LAB_HOME", home);
  notes.length = 0;
  vi.spyOn(process.stderr, "write").mockImplementation((text) => notes.push(String(text)) > 0);
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

const plan = { cohort: "x", learners: [{ learner: { id: "ada" } }] } as unknown as CohortPlan;

/** What a bring-up handed over, with the learner's repository of this kind. */
const outputsWith = (git: string) =>
  ({
    cohort: "x",
    learners: { ada: { cluster: { kind: "embedded" }, git: { kind: git }, registry: { kind: "embedded" } } },
  }) as unknown as CohortOutputs;

/** A rotation of ada's credentials as the steps before have left it. */
const runWith = (fields: Partial<Run> = {}): Run => ({ ...newRun({ plan, paths: cohortPaths("x"), id: "ada" }), ...fields });

describe("the steps of a rotation", () => {
  test("look at everything that can refuse before anything is asked for, and at Flux when all has changed", () => {
    expect(steps.map(({ name }) => name)).toEqual([
      "readHandedOver",
      "choosePossible",
      "requireInFile",
      "requireSameLayout",
      "requireRunning",
      "askForNew",
      "carryOut",
      "shutPage",
      "awaitFlux",
    ]);
  });

  test("say what is missing where one is done before the one it builds on", async () => {
    expect(() => handedOver(runWith())).toThrow("no step of the rotation has read the outputs yet");
    await expect(choosePossible(runWith())).rejects.toThrow("the outputs");
  });
});

describe("what is rotated", () => {
  const chosen = async (git: string, asked?: Run["asked"]) => {
    const run = runWith({ outputs: outputsWith(git), asked });
    await choosePossible(run);
    return run.only;
  };

  test("is everything, where the lab gave it", async () => {
    expect(await chosen("embedded")).toEqual(rotatable);
    expect(notes).toEqual([]);
  });

  test("is what was asked for", async () => expect(await chosen("github", ["page", "registry"])).toEqual(["page", "registry"]));

  test("is not what another gave, of which it tells", async () => {
    expect(await chosen("github")).toEqual(["kubeconfig", "registry", "page"]);
    expect(notes.join("")).toContain("Of git (github) the credentials are given elsewhere; change them there. The others are changed now.");
  });

  test("can't be asked for by name where another gave it", async () =>
    expect(chosen("github", ["git"])).rejects.toMatchObject({ code: "rotation-elsewhere", exitCode: ExitCode.badInput }));

  test("is a known learner's", async () =>
    expect(choosePossible(runWith({ id: "eve", outputs: outputsWith("embedded") }))).rejects.toMatchObject({ code: "learner-unknown" }));
});

describe("before anything is asked for", () => {
  test("who has left the cohort file is refused", async () => {
    await requireInFile(runWith());
    await expect(requireInFile(runWith({ id: "eve" }))).rejects.toMatchObject({
      code: "learner-unknown",
      message: expect.stringContaining("any more"),
      exitCode: ExitCode.badInput,
    });
  });

  test("a lab of another layout is refused", async () => {
    await noteCreation(cohortPaths("x"));
    await requireSameLayout(runWith());
    const at = "2026-11-01T08:00:00.000Z";
    await writeFile(join(cohortPaths("x").root, "created", "_cohort.json"), JSON.stringify({ schemaVersion: 1, at, layout: 1 }));
    await expect(requireSameLayout(runWith())).rejects.toMatchObject({ code: "layout-other" });
  });

  test("a lab that does not run is refused", async () =>
    expect(requireRunning(runWith())).rejects.toMatchObject({ code: "lab-paused", exitCode: ExitCode.badInput }));
});

describe("a rotation", () => {
  test("writes down what is wanted before the engine is asked, but of the page, which is not Pulumi's", async () => {
    await askForNew(runWith({ only: ["git", "page"] }));
    expect(await generationsOf(cohortPaths("x"), "ada")).toEqual({ kubeconfig: 0, git: 1, registry: 0 });
  });

  test("of the page alone troubles no engine, and asks for nothing", async () => {
    const run = runWith({ only: ["page"] });
    await askForNew(run);
    // There is no stack here, and it is not missed.
    await carryOut(run);
    expect(await generationsOf(cohortPaths("x"), "ada")).toEqual({ kubeconfig: 0, git: 0, registry: 0 });
  });

  test("shuts the learner's page, where it is about that", async () => {
    const token = await issueEntry("x", { role: "learner", learner: "ada" });
    await shutPage(runWith({ only: ["git"] }));
    expect(await visitsEndedAt("x", "ada")).toBe(0);
    await shutPage(runWith({ only: ["page"] }));
    expect(await visitsEndedAt("x", "ada")).toBeGreaterThan(0);
    expect(await takeEntry("x", token)).toBeUndefined();
  });
});
