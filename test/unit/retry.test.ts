import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { tellNothingToDo, unfinished } from "../../cli/commands/retry.ts";
import { LastRunRecord, readLastRun, type LearnerRun } from "../../cli/last-run.ts";
import { ExitCode } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-retry-"));
  vi.stubEnv("GITOPS_LAB_HOME", home);
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

const at = "2026-11-24T12:00:00.000Z";
const run = (result: LearnerRun["result"]): LearnerRun => ({ result, command: "up", at });
const file = () => join(cohortPaths("x").root, "last-run.json");

test("a run that is killed leaves all it was about unfinished, but who was seen to be up", async () => {
  const record = await LastRunRecord.begin(cohortPaths("x"), "up", ["ada", "bob"], ["ada", "bob"]);
  record.note("ada", run("up"));
  await record.written();
  expect(await readLastRun(cohortPaths("x"))).toMatchObject({ ada: { result: "up" }, bob: { result: "unfinished", command: "up" } });
  expect((await stat(file())).mode & 0o777).toBe(0o600);
});

test("a run about some keeps what came of the others, and forgets who has left the roster", async () => {
  const first = await LastRunRecord.begin(cohortPaths("x"), "up", ["ada", "bob", "cleo"], ["ada", "bob", "cleo"]);
  first.note("ada", run("up"));
  first.note("cleo", run("up"));
  first.note("bob", { ...run("failed"), cause: "a port is taken" });
  await first.written();
  await (await LastRunRecord.begin(cohortPaths("x"), "retry", ["bob"], ["ada", "bob"])).written();
  expect(await readLastRun(cohortPaths("x"))).toEqual({
    ada: run("up"),
    bob: { result: "unfinished", command: "retry", at: expect.any(String) },
  });
});

test("what was noted quickly one after the other is whole and in order on disk", async () => {
  const ids = Array.from({ length: 20 }, (_, index) => `l${index}`);
  const record = await LastRunRecord.begin(cohortPaths("x"), "up", ids, ids);
  for (const id of ids) record.note(id, run("up"));
  await record.written();
  const learners = Object.values(JSON.parse(await readFile(file(), "utf8")).learners as Record<string, LearnerRun>);
  expect(learners.map(({ result }) => result)).toEqual(ids.map(() => "up"));
});

test.each([
  ["no file", undefined],
  ["a file of another version", JSON.stringify({ schemaVersion: 2, learners: [] })],
])("%s tells nothing", async (_what, text) => {
  if (text !== undefined) await writePrivateFile(file(), text);
  expect(await readLastRun(cohortPaths("x"))).toEqual({});
});

const roster = ["ada", "bob", "cleo"];
const state = (learners: readonly string[], pending: readonly string[] = []) => ({
  learners: new Map(learners.map((id) => [id, ["urn"]])),
  pending: new Set(pending),
});

test.each([
  ["who failed or was cut short", { ada: run("failed"), bob: run("up"), cleo: run("unfinished") }, state(roster), ["ada", "cleo"]],
  ["nobody, where all came up", { ada: run("up"), bob: run("up"), cleo: run("up") }, state(roster), []],
  ["of whom the state knows nothing", { ada: run("up"), bob: run("up"), cleo: run("up") }, state(["ada", "cleo"]), ["bob"]],
  [
    "of whom a killed engine left something pending",
    { ada: run("up"), bob: run("up"), cleo: run("up") },
    state(roster, ["cleo"]),
    ["cleo"],
  ],
  ["nobody whom only plain pulumi brought up", {}, state(roster), []],
])("retry is about %s", (_whom, lastRun, summary, expected) => expect(unfinished(roster, lastRun, summary)).toEqual(expected));

test.each([
  ["all came up", [], /each of the 2 learners of cohort x came up.*lab verify --cohort x/s],
  ["the others are paused", ["bob"], /while bob is paused.*lab resume <learner> --cohort x/s],
])("retry says that there is nothing to try where %s, and succeeds", async (_where, paused, says) => {
  const told: string[] = [];
  const printed: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => told.push(String(text)) > 0);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => printed.push(String(text)) > 0);
  const plan = { cohort: "x", learners: ["ada", "bob"].map((id) => ({ learner: { id } })) } as unknown as CohortPlan;
  expect(await tellNothingToDo(plan, paused, true)).toBe(ExitCode.ok);
  expect(told.join("")).toMatch(says);
  expect(printed.map((line) => JSON.parse(line) as object)).toMatchObject([
    { event: "run-started", command: "retry", cohort: "x", learners: [] },
    { event: "summary", result: "succeeded", exitCode: ExitCode.ok },
  ]);
});
