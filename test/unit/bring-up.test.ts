import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { steps } from "../../cli/bring-up/bring-up.ts";
import { conclude, prove } from "../../cli/bring-up/conclude.ts";
import { beginRecord, runEngine } from "../../cli/bring-up/engine.ts";
import { keepWorkOfLeavers } from "../../cli/bring-up/leavers.ts";
import { passOverPaused, requireOpenedAlready } from "../../cli/bring-up/paused.ts";
import { requireOwnVersion, startProcesses } from "../../cli/bring-up/prepare.ts";
import { chooseScope, readWhatIs, refreshWhereDoubtful } from "../../cli/bring-up/refresh.ts";
import { noteAgreement, recogniseUnchanged } from "../../cli/bring-up/unchanged.ts";
import { newRun, written, type BringUpOptions, type Run } from "../../cli/bring-up/run.ts";
import { readLastRun } from "../../cli/last-run.ts";
import { RunReporter } from "../../cli/progress/reporter.ts";
import { statePlaces } from "../../cli/state/files.ts";
import { learnerUrn, type StateSummary } from "../../cli/stack.ts";
import { ExitCode } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { lookAgain } from "../../stacks/isolation.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

let home: string;
const told: unknown[] = [];
const notes: string[] = [];
const printed: string[] = [];
const open: RunReporter[] = [];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-bring-up-"));
  vi.stubEnv("GITOPS_LAB_HOME", home);
  vi.stubEnv("PULUMI_BACKEND_URL", `file://${home}`);
  for (const list of [told, notes, printed]) list.length = 0;
  vi.spyOn(process.stderr, "write").mockImplementation((text) => notes.push(String(text)) > 0);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => printed.push(String(text)) > 0);
});
afterEach(async () => {
  for (const reporter of open.splice(0)) reporter.close();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

const roster = ["ada", "bob", "eve"];
const kubernetesUrn = (id: string) => `urn:pulumi:x::gitops-lab::gitops-lab:lab:Learner$kubernetes:core/v1:Secret::${id}-secret`;
const state: StateSummary = {
  learners: new Map(roster.map((id) => [id, [learnerUrn("x", id), kubernetesUrn(id)]])),
  hasHost: true,
  isPending: false,
  pending: new Set(),
};

/** A run of cohort x as the steps before have left it. */
function runWith(fields: Partial<Run> = {}, options: Partial<BringUpOptions> = {}): Run {
  const about = options.only ?? roster;
  const plan = { cohort: "x", learners: roster.map((id) => ({ learner: { id }, cluster: { kind: "embedded" } })) } as unknown as CohortPlan;
  const reporter = new RunReporter({
    command: "up",
    cohort: "x",
    learners: about,
    typical: {},
    expectedSeconds: 0,
    display: { show: (event) => told.push(event), tick: () => {}, close: () => {} },
  });
  open.push(reporter);
  const interrupt = { signal: new AbortController().signal, check: () => {}, orEnd: <T>(work: Promise<T>) => work };
  const task = {
    plan,
    paths: cohortPaths("x"),
    options: { command: "up" as const, json: false, expectedSeconds: 0, ...options },
    roster,
    about,
  };
  return { ...newRun(task, reporter, interrupt), ...fields };
}

/** A stack of which the engine's operations are these. */
function stackWith(operations: object): Stack {
  return {
    name: "x",
    workspace: { envVars: {} },
    exportStack: async () => ({ version: 3, deployment: { resources: [] } }),
    outputs: async () => ({}),
    ...operations,
  } as unknown as Stack;
}

describe("the steps of a bring-up", () => {
  test("keep what leavers had before the engine runs, and prove at the end", () => {
    const at = (name: string) => steps.findIndex((step) => step.name === name);
    expect(new Set(steps.map(({ name }) => name)).size).toBe(steps.length);
    expect(at("keepWorkOfLeavers")).toBeLessThan(at("runEngine"));
    expect(at("beginRecord")).toBeLessThan(at("runEngine"));
    expect(at("runEngine")).toBeLessThan(at("removeLeavers"));
    expect(steps.at(-1)).toBe(conclude);
  });

  test("say what is missing where one is done before the one it builds on", async () => {
    expect(() => written(runWith(), "stack")).toThrow("no step of the run has written `stack` yet");
    await expect(chooseScope(runWith())).rejects.toThrow("`state`");
  });
});

describe("preparing", () => {
  test("refuses a lab that a newer version made", async () => {
    await requireOwnVersion(runWith());
    const { root } = cohortPaths("x");
    await mkdir(root, { recursive: true });
    await writeFile(join(root, "made-by.json"), JSON.stringify({ schemaVersion: 1, version: "999.0.0" }));
    await expect(requireOwnVersion(runWith())).rejects.toMatchObject({ code: "made-by-newer", exitCode: ExitCode.badInput });
  });

  test("starts nothing where nothing was there", async () => {
    await startProcesses(runWith());
    expect(notes).toEqual([]);
  });

  test("passes over nobody where no daemon tells of a pause", async () => {
    const run = runWith({ paused: ["ada"] });
    await passOverPaused(run);
    expect(run.paused).toEqual([]);
  });

  test("opens no cohort to others while somebody is paused", async () => {
    const { plan, paths } = runWith();
    await requireOpenedAlready({ plan, paths }, ["ada"]);
    await expect(
      requireOpenedAlready({ plan: { ...plan, opening: { address: "10.0.0.1" } } as unknown as CohortPlan, paths }, ["ada"]),
    ).rejects.toMatchObject({
      code: "opening-paused",
      exitCode: ExitCode.badInput,
    });
  });
});

describe("those who have left the cohort file", () => {
  const work = async () => {
    const folder = join(cohortPaths("x").learner("gone").root, "exercises");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "records.json"), "{}");
    vi.spyOn(process, "cwd").mockReturnValue(home);
  };

  test("are told of, and what they had is kept", async () => {
    await work();
    await keepWorkOfLeavers(runWith());
    expect(notes.join("")).toMatch(/gone.*Kept what gone had in /s);
    const [kept] = await readdir(join(home, "backups"));
    expect(await readdir(join(home, "backups", kept!, "exercises"))).toEqual(["records.json"]);
  });

  test("are no matter of a run about some learners", async () => {
    await work();
    await keepWorkOfLeavers(runWith({}, { only: ["ada"] }));
    expect(notes).toEqual([]);
    expect(await readdir(home)).not.toContain("backups");
  });
});

describe("what the engine is to work on", () => {
  const scopeOf = async (fields: Partial<Run>, options: Partial<BringUpOptions> = {}) => {
    const run = runWith({ state, ...fields }, options);
    await chooseScope(run);
    return run.scope;
  };

  test("is everything", async () => expect(await scopeOf({})).toBeUndefined());

  test("is not what is a paused learner's", async () =>
    expect(await scopeOf({ paused: ["bob"] })).toEqual({ exclude: state.learners.get("bob"), excludeDependents: true }));

  test("is what is of the learners who were asked for and are not paused", async () =>
    expect(await scopeOf({ paused: ["bob"] }, { only: ["ada", "bob"] })).toEqual({
      target: [learnerUrn("x", "ada")],
      targetDependents: true,
    }));

  test("is everything where what all stand on is missing", async () =>
    expect(await scopeOf({ state: { ...state, hasHost: false } }, { only: ["ada"] })).toBeUndefined());
});

describe("a look at what there is", () => {
  /** @param before what came of the run before, by Pulumi's history */
  const lookedAt = async (
    before: "succeeded" | "failed",
    fields: Partial<Run> = {},
    options: Partial<BringUpOptions> = {},
    operations: object = {},
  ) => {
    const { history } = statePlaces(home, "x");
    await mkdir(history, { recursive: true });
    await writeFile(join(history, "x-1.history.json"), JSON.stringify({ result: before === "failed" ? "succeeded" : "failed" }));
    await writeFile(join(history, "x-2.history.json"), JSON.stringify({ result: before }));
    const looks: object[] = [];
    const refresh = async (look: object) => void looks.push(look);
    const run = runWith({ stack: stackWith({ refresh, ...operations }), state, ...fields }, options);
    await refreshWhereDoubtful(run);
    return looks;
  };

  test("reads the state before", async () => {
    const run = runWith({ stack: stackWith({}) });
    await readWhatIs(run);
    expect(run.state).toMatchObject({ hasHost: false, isPending: false });
  });

  test("is not taken after a run that ended well", async () => expect(await lookedAt("succeeded")).toEqual([]));

  test("is not taken where nothing was made", async () =>
    expect(await lookedAt("failed", { state: { ...state, learners: new Map() } })).toEqual([]));

  test("is taken after a run that failed, of all but the paused", async () => {
    expect(await lookedAt("failed", { paused: ["eve"] })).toMatchObject([
      { exclude: state.learners.get("eve"), clearPendingCreates: true },
    ]);
    expect(told).toMatchObject([{ event: "run-started" }, { event: "step-started" }, { event: "step-done" }]);
  });

  test("is taken of the learners alone that the run is about", async () =>
    expect(await lookedAt("failed", {}, { only: ["bob"] })).toMatchObject([{ target: state.learners.get("bob") }]));

  test("that fails ends the run", async () => {
    const refresh = () => Promise.reject(new Error("no answer"));
    await expect(lookedAt("failed", {}, {}, { refresh })).rejects.toMatchObject({ code: "refresh-failed" });
  });
});

describe("the engine", () => {
  test("is preceded by a record that nobody is finished, but for who is paused", async () => {
    const run = runWith({ paused: ["eve"] });
    await beginRecord(run);
    await run.record!.written();
    expect(await readLastRun(cohortPaths("x"))).toMatchObject({
      ada: { result: "unfinished", command: "up" },
      bob: { result: "unfinished" },
    });
    expect(Object.keys(await readLastRun(cohortPaths("x")))).not.toContain("eve");
  });

  test("is told what to work on, and how much at once", async () => {
    const asked: object[] = [];
    const scope: Run["scope"] = { exclude: ["urn"], excludeDependents: true };
    const run = runWith({ stack: stackWith({ up: async (options: object) => void asked.push(options) }), scope }, { parallel: 3 });
    await runEngine(run);
    expect(asked).toMatchObject([{ ...scope, parallel: 3, continueOnError: true }]);
    expect(run.reporter.outcomes.map(({ result }) => result)).toEqual(["up", "up", "up"]);
    expect(notes.join("")).toMatch(/Bringing up cohort x: 3 learners\..*0 changes, in /s);
  });

  test("that tells no learner's failure ends the run", async () => {
    const run = runWith({ stack: stackWith({ up: () => Promise.reject(new Error("the program is broken")) }) });
    await expect(runEngine(run)).rejects.toMatchObject({ code: "up-failed", message: expect.stringContaining("the program is broken") });
    expect(run.reporter.outcomes.map(({ result }) => result)).toEqual(["failed", "failed", "failed"]);
  });

  test("that tells of one learner's failure ends nobody else's lab", async () => {
    const run = runWith({ stack: stackWith({ up: () => Promise.reject(new Error("ada failed")) }) });
    run.reporter.failures.set("ada", ["no memory"]);
    run.reporter.learnerDone("bob");
    await runEngine(run);
    expect(run.reporter.outcomes).toMatchObject([{ result: "failed", cause: "no memory" }, { result: "up" }, { result: "failed" }]);
  });
});

describe("a run where nothing has changed", () => {
  /** A run with the engine, which agreed; `meanwhile` is what somebody else did while it ran. */
  const agree = async (plan: CohortPlan, members: readonly string[] = [], meanwhile = async () => {}) => {
    const run = { ...runWith({ plan }, { engine: true }), roster: members };
    await recogniseUnchanged(run);
    await meanwhile();
    await noteAgreement(run);
  };

  /** A run of a cohort on this machine alone, after one in which its learners came up and the engine agreed. */
  const agreed = async (fields: Partial<Run> = {}, options: Partial<BringUpOptions> = {}) => {
    const plan = { ...runWith().plan, git: { kind: "embedded" }, registry: { kind: "embedded" }, learners: [] } as unknown as CohortPlan;
    const { stacks, checkpoint } = statePlaces(home, "x");
    await mkdir(stacks, { recursive: true });
    await writeFile(checkpoint, JSON.stringify({ version: 3 }));
    await agree(plan);
    return { ...runWith({ plan, roster: [], ...fields }, options), about: [] };
  };
  const isPassedOver = async (run: Run) => {
    await recogniseUnchanged(run);
    return run.isUnchanged;
  };

  test("passes the engine over, and says why", async () => {
    expect(await isPassedOver(await agreed())).toBe(true);
    expect(notes.join("")).toMatch(/0 changes, in .*: cohort file, program and state of x are as Pulumi left them\./);
  });

  test("is one also after the run that set the machine up, before which nobody knew of rooms", async () => {
    const { plan } = await agreed();
    const before: CohortPlan = { ...plan, room: { kind: "none", because: [], conditions: [] } };
    await agree(before);
    expect(await isPassedOver({ ...runWith({ plan: await lookAgain(before), roster: [] }), about: [] })).toBe(true);
  });

  test("asks the engine where it never agreed", async () => expect(await isPassedOver(runWith())).toBe(false));

  test("asks it where the state is another", async () => {
    const run = await agreed();
    await writeFile(statePlaces(home, "x").checkpoint, JSON.stringify({ version: 3, checkpoint: {} }));
    expect(await isPassedOver(run)).toBe(false);
  });

  test("asks it where somebody has a lock on the state", async () => {
    const run = await agreed();
    const { locks } = statePlaces(home, "x");
    await mkdir(locks, { recursive: true });
    await writeFile(join(locks, "0a0a0a0a.json"), "{}");
    expect(await isPassedOver(run)).toBe(false);
  });

  test("asks it where the program or Pulumi's environment changed while the engine ran", async () => {
    const run = await agreed();
    await agree(run.plan, [], async () => void vi.stubEnv("PULUMI_HOME", join(home, "other")));
    expect(await isPassedOver(run)).toBe(false);
  });

  test("asks it where the cohort file says something else", async () => {
    const run = await agreed();
    expect(await isPassedOver({ ...run, plan: { ...run.plan, ttl: "2w" } })).toBe(false);
  });

  test("asks it where Pulumi's environment is another", async () => {
    const run = await agreed();
    vi.stubEnv("PULUMI_HOME", join(home, "other"));
    expect(await isPassedOver(run)).toBe(false);
  });

  test("asks it where a learner's last run did not end well", async () => {
    expect(await isPassedOver(await agreed({ roster: ["ada"] }))).toBe(false);
  });

  test("asks it where a part is elsewhere, which can change by itself", async () => {
    const run = await agreed();
    expect(await isPassedOver({ ...run, plan: { ...run.plan, git: { kind: "github" } } as unknown as CohortPlan })).toBe(false);
  });

  test("asks it where somebody wants that, or the run is about some learners alone", async () => {
    expect(await isPassedOver(await agreed({}, { engine: true }))).toBe(false);
    expect(await isPassedOver(await agreed({}, { only: ["ada"] }))).toBe(false);
  });

  test("is no such run after one in which a learner did not come up", async () => {
    const run = await agreed();
    await agree(run.plan, ["ada"]);
    expect(await isPassedOver(run)).toBe(false);
  });
});

describe("the end", () => {
  test("proves nothing of who has not come up, and fails for them", async () => {
    const run = runWith();
    run.reporter.learnerFailed("bob", "no memory");
    await prove(run);
    await conclude(run);
    expect(run).toMatchObject({ reports: [], exitCode: ExitCode.failed });
    expect(told.at(-1)).toMatchObject({ event: "summary", result: "failed", exitCode: ExitCode.failed });
    expect(notes.join("")).toMatch(/bob.* did not come up: no memory.*0 of 3 learners are up/s);
  });

  test("fails where something is left of those who have left", async () => {
    const run = runWith({ left: ExitCode.failed });
    for (const id of roster) run.reporter.learnerDone(id);
    await conclude(run);
    expect(run.exitCode).toBe(ExitCode.failed);
    expect(told.at(-1)).toMatchObject({ event: "summary", cause: "Something is left of who is no learner of the cohort file any more." });
  });

  test("is decided by the evidence of labs that were handed over in this run alone", async () => {
    const red = {
      id: "ada",
      name: "Ada",
      reports: [{ id: "flux", title: "Flux", result: { status: "fail" } }],
    } as unknown as Run["reports"][number];
    const ended = async (isNew: boolean) => {
      const run = runWith({ reports: [red] }, { json: true });
      for (const id of roster) run.reporter.learnerDone(id);
      if (isNew) run.reporter.handedOver.add("ada");
      await conclude(run);
      return run.exitCode;
    };
    expect(await ended(true)).toBe(ExitCode.failed);
    expect(await ended(false)).toBe(ExitCode.ok);
    expect(notes.join("")).toContain("The evidence of ada is not passed.");
    expect(printed).toEqual([]);
  });
});
