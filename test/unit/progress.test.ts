import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { measuredCosts } from "../../cli/capacity/costs.ts";
import { EngineReader, type StepChange } from "../../cli/progress/engine-reader.ts";
import { liveDisplay, logDisplay } from "../../cli/progress/displays.ts";
import { ProgressEvent, stamp, type ProgressFact } from "../../cli/progress/events.ts";
import { about, countLine, liveLines } from "../../cli/progress/live-view.ts";
import { RunModel, type LearnerRow, type RunView } from "../../cli/progress/model.ts";
import { RunReporter } from "../../cli/progress/reporter.ts";
import { renderSummary } from "../../cli/summary.ts";
import { note } from "../../cli/terminal.ts";

interface Recorded {
  /** Milliseconds from the first event. */
  readonly at: number;
  readonly event: EngineEvent;
}

/**
 * What a real engine told of `up` for ada and bob, without the properties of resources: `up-one-fails`, where a file was
 * in the way of bob's folder, and then `up-goes-on`, without that file.
 */
function recorded(name: "up-one-fails" | "up-goes-on"): Recorded[] {
  const text = readFileSync(join(import.meta.dirname, "../fixtures/engine-events", `${name}.jsonl`), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Recorded);
}

function changesOf(name: Parameters<typeof recorded>[0]): StepChange[] {
  const reader = new EngineReader(["ada", "bob"]);
  return recorded(name).flatMap(({ event }) => reader.read(event));
}

const steps = Object.keys(measuredCosts.steps);

describe("the engine's events", () => {
  test("tell each step of a learner from its beginning to its end", () => {
    const ofAda = changesOf("up-one-fails").flatMap((change) =>
      "name" in change && change.learner === "ada" ? [`${change.name.step} ${change.kind}`] : [],
    );
    for (const step of steps) expect(ofAda.filter((line) => line.startsWith(`${step} `))).toEqual([`${step} started`, `${step} done`]);
    expect(ofAda.indexOf("flux-objects done")).toBeLessThan(ofAda.indexOf("flux-ready started"));
  });

  test("tell when all of a learner is there, after the last of it", () => {
    const changes = changesOf("up-one-fails");
    expect(changes.filter(({ kind }) => kind === "whole")).toEqual([{ kind: "whole", learner: "ada" }]);
    expect(changes.at(-1)).toEqual({ kind: "whole", learner: "ada" });
  });

  test("tell what failed and why, without what follows from it", () => {
    const changes = changesOf("up-one-fails");
    expect(changes.flatMap((change) => (change.kind === "failed" ? [`${change.learner} ${change.name.step}`] : []))).toEqual([
      "bob control-plane",
      "bob image-repository",
    ]);
    const causes = changes.flatMap((change) => (change.kind === "cause" ? [change] : []));
    expect(causes.map(({ learner }) => learner)).toEqual(["bob", "bob"]);
    for (const { cause } of causes) expect(cause).toMatch(/^ENOTDIR: not a directory, mkdir '.*\/learners\/bob\/(cluster|access)'$/);
  });

  test("tell whom nothing was done to", () => {
    const changes = changesOf("up-goes-on");
    expect(changes.flatMap((change) => (change.learner === "ada" ? [change.kind] : [])).sort()).toEqual(
      [...steps.map(() => "unchanged"), "whole"].sort(),
    );
    expect(changes.filter(({ kind }) => kind === "whole").map(({ learner }) => learner)).toEqual(["ada", "bob"]);
  });

  test("are of the learner with the longest fitting id", () => {
    const urn = "urn:pulumi:x::gitops-lab::gitops-lab:lab:Learner$pulumi-nodejs:dynamic/gitops-lab:Pipeline::ada-b-pipeline";
    const event = { resourcePreEvent: { metadata: { op: "create", urn } } } as EngineEvent;
    expect(new EngineReader(["ada", "ada-b"]).read(event)).toMatchObject([{ learner: "ada-b" }]);
    expect(new EngineReader(["ada"]).read(event)).toMatchObject([{ learner: "ada" }]);
    expect(new EngineReader(["bob"]).read(event)).toMatchObject([{ learner: null }]);
  });
});

/** A run of recorded events through the reporter, on a clock of its own. */
describe("a run", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  async function play(name: Parameters<typeof recorded>[0], options: { expectedSeconds?: number } = {}) {
    const seen: { readonly event: ProgressEvent; readonly view: RunView }[] = [];
    const display = { show: (event: ProgressEvent, view: RunView) => void seen.push({ event, view }), tick: () => {}, close: () => {} };
    const reporter = new RunReporter({
      command: "up",
      cohort: "x",
      learners: ["ada", "bob"],
      typical: measuredCosts.steps,
      expectedSeconds: options.expectedSeconds ?? 32,
      display,
    });
    await reporter
      .engine(async (onEvent) => {
        let now = 0;
        for (const { at, event } of recorded(name)) {
          await vi.advanceTimersByTimeAsync(at - now);
          now = at;
          onEvent(event);
        }
        if (name === "up-one-fails") throw new Error("the engine ended with 255");
      })
      .catch(() => {});
    reporter.summary({ result: "failed", exitCode: 1 });
    reporter.close();
    return { events: seen.map(({ event }) => event), views: seen.map(({ view }) => view), reporter };
  }

  test("is told in events that fit the schema, from run-started to summary", async () => {
    const { events } = await play("up-one-fails");
    for (const event of events) expect(ProgressEvent.parse(event)).toEqual(event);
    expect([events[0]?.event, events.at(-1)?.event]).toEqual(["run-started", "summary"]);
  });

  test("knows whose lab it handed over, which is not who was up before", async () => {
    // In the second, ada is there already and bob is made.
    expect([...(await play("up-one-fails")).reporter.handedOver]).toEqual(["ada"]);
    expect([...(await play("up-goes-on")).reporter.handedOver]).toEqual(["bob"]);
    const ended = recorded("up-goes-on").find(({ event }) => event.resOutputsEvent?.metadata.urn.endsWith("FluxReady::bob-flux-ready"));
    const { reporter } = await play("up-one-fails");
    const waitedAnew = structuredClone(ended!.event);
    waitedAnew.resOutputsEvent!.metadata.op = "update";
    await reporter.engine(async (onEvent) => onEvent(waitedAnew));
    expect([...reporter.handedOver]).toEqual(["ada"]);
    await reporter.engine(async (onEvent) => onEvent(ended!.event));
    expect([...reporter.handedOver]).toEqual(["ada", "bob"]);
    reporter.close();
  });

  test("tells with the evidence what has become of the promotion", () => {
    const hold = { state: "waiting", seconds: 5, neededSeconds: 60, until: "2026-11-02T10:01:00.000Z" } as const;
    const value = {
      environment: "production",
      state: "rolled-back",
      since: "2026-11-02T10:00:00.000Z",
      applied: true,
      hold,
      says: "",
    } as const;
    const told: ProgressEvent[] = [];
    const display = { show: (event: ProgressEvent) => void told.push(event), tick: () => {}, close: () => {} };
    const other = new RunReporter({ command: "up", cohort: "x", learners: ["ada"], typical: {}, expectedSeconds: 0, display });
    other.evidence({ id: "ada", reports: [], promotion: { status: "observed", value } });
    other.evidence({ id: "ada", reports: [], promotion: { status: "error", reason: "away" } });
    other.close();
    expect(told.slice(-2).map((event) => ProgressEvent.parse(event))).toMatchObject([
      { event: "evidence", promotion: { state: "rolled-back", since: value.since, hold: "waiting" } },
      { event: "evidence" },
    ]);
    expect(told.at(-1)).not.toHaveProperty("promotion");
  });

  test("never stays silent for five seconds, and says what it waits for", async () => {
    const { events } = await play("up-one-fails");
    const times = events.map(({ time }) => Date.parse(time));
    expect(Math.max(...times.slice(1).map((time, index) => time - times[index]!))).toBeLessThan(5000);
    const waiting = events.filter((event) => event.event === "waiting");
    expect(waiting.length).toBeGreaterThan(2);
    expect(waiting.at(-1)?.for).toMatchObject([{ learner: "ada", step: "flux-ready" }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("tells a learner's failure once, with the cause, as soon as nothing of theirs is under way", async () => {
    const { events, reporter } = await play("up-one-fails");
    const failed = events.filter(({ event }) => event === "learner-failed");
    expect(failed).toMatchObject([{ learner: "bob", cause: expect.stringContaining("ENOTDIR") }]);
    const adaAtFlux = events.findIndex((event) => event.event === "step-started" && event.step === "flux-kinds");
    expect(events.indexOf(failed[0]!)).toBeLessThan(adaAtFlux);
    expect(reporter.outcomes).toMatchObject([
      { learner: "ada", result: "up" },
      { learner: "bob", result: "failed" },
    ]);
  });

  test("counts steps and learners, and estimates the rest by costs first and by its own pace later", async () => {
    const end = recorded("up-one-fails").at(-1)!.at / 1000;
    const { views } = await play("up-one-fails", { expectedSeconds: end * 0.6 });
    expect(views[0]).toMatchObject({ done: 0, failed: 0, secondsLeft: end * 0.6 });
    const last = views.at(-1)!;
    expect(last).toMatchObject({ done: 1, failed: 1, secondsLeft: undefined });
    expect(last.rows).toMatchObject([
      { learner: "ada", state: "done", steps: { done: steps.length, of: steps.length } },
      { learner: "bob", state: "failed", failedAt: "control plane" },
    ]);
    const late = views.flatMap(({ seconds, secondsLeft }) =>
      seconds > end * 0.6 && secondsLeft !== undefined ? [seconds + secondsLeft] : [],
    );
    expect(late.length).toBeGreaterThan(0);
    for (const estimated of late) expect(Math.abs(estimated - end) / end).toBeLessThan(0.25);
  });

  test("does not count what was there already as its work", async () => {
    const { views } = await play("up-goes-on", { expectedSeconds: 20 });
    const middle = views.find((view) => view.rows[1]!.open.some(({ step }) => step === "flux-ready"))!;
    expect(middle.rows[0]).toMatchObject({ learner: "ada", state: "done", steps: { done: steps.length, of: steps.length } });
    // Most of bob's time is still to come, however much of the cohort is there.
    expect(middle.secondsLeft).toBeGreaterThan(7);
  });
});

describe("the live display", () => {
  const row = (learner: string, more: Partial<LearnerRow> = {}): LearnerRow => ({
    learner,
    state: "waits",
    open: [],
    steps: { done: 0, of: 9 },
    ...more,
  });
  const view = (rows: readonly LearnerRow[], more: Partial<RunView> = {}): RunView => ({
    rows,
    cohort: [],
    done: 0,
    failed: 0,
    doneWord: "up",
    seconds: 45,
    secondsLeft: 100,
    ...more,
  });
  const works = (learner: string, seconds: number) =>
    row(learner, {
      state: "works",
      steps: { done: 6, of: 9 },
      open: [{ learner, step: "flux-ready", title: "Flux brings the lab up", action: "create", seconds }],
    });
  const texts = (shown: RunView, columns = 80, rows = 24) => liveLines(shown, { columns, rows }).map(({ text }) => text);

  test("has a line per learner with what is under way, and one that counts", () => {
    const rows = [
      row("ada", { state: "done", seconds: 34.2 }),
      works("bob", 12.7),
      row("cleo", { state: "failed", failedAt: "control plane", seconds: 5 }),
      row("dora"),
    ];
    expect(texts(view(rows, { done: 1, failed: 1 }))).toEqual([
      "✓ ada     up after 34.2 s",
      "▸ bob     6/9 Flux brings the lab up, 12 s",
      "✗ cleo    control plane failed after 5.0 s",
      "· dora    waits",
      "1 of 4 up, 1 failed; 45.0 s so far, about 2 min left",
    ]);
  });

  test("names how much else of a learner's is under way, and what the cohort waits for", () => {
    const open = ["control plane", "first images"].map((title, index) => ({
      learner: "ada",
      step: title,
      title,
      action: "create" as const,
      seconds: 3 - index,
    }));
    const cohort = [{ learner: null, step: "lab-host", title: "lab daemon and registry", action: "create" as const, seconds: 2 }];
    expect(texts(view([row("ada", { state: "works", open })], { cohort }))).toEqual([
      "▸ ada     0/9 control plane, 3 s and 1 more",
      "▸ cohort  lab daemon and registry, 2 s",
      expect.stringContaining("0 of 1 up"),
    ]);
  });

  test("shows who is at work and counts the rest where not all fit", () => {
    const rows = [
      ...Array.from({ length: 20 }, (_, index) => row(`up${index}`, { state: "done", seconds: 30 })),
      works("busy", 1),
      row("later"),
      row("bad", { state: "failed", seconds: 1 }),
    ];
    const lines = texts(view(rows), 80, 8);
    expect(lines).toHaveLength(7);
    expect(lines.slice(0, 5).map((line) => line.split(/\s+/)[1])).toEqual(["up0", "up1", "busy", "later", "bad"]);
    expect(lines[5]).toBe("  and 18 more: 18 up");
  });

  test.each([
    [1, 24],
    [20, 24],
    [40, 3],
    [80, 1],
    [10, 2],
  ])("fits a terminal of %i columns and %i rows", (columns, rows) => {
    const lines = texts(
      view([works("a-learner-with-a-long-name", 100), ...Array.from({ length: 30 }, (_, index) => row(`l${index}`))]),
      columns,
      rows,
    );
    expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  });

  test("leaves out an estimate where there is none", () =>
    expect(countLine(view([], { secondsLeft: undefined }))).toBe("0 of 0 up; 45.0 s so far"));

  test.each([
    [3, "10 s"],
    [41, "50 s"],
    [90, "2 min"],
    [121, "3 min"],
  ])("estimates %i s as %s", (seconds, text) => expect(about(seconds)).toBe(text));
});

describe("on standard error", () => {
  afterEach(() => vi.restoreAllMocks());

  function written(): string[] {
    const texts: string[] = [];
    vi.spyOn(process.stderr, "write").mockImplementation((text) => texts.push(String(text)) > 0);
    return texts;
  }
  const stamped = (fact: ProgressFact) => stamp(fact, new Date(0));
  const viewOf = (learner: string): RunView => ({
    rows: [{ learner, state: "waits", open: [], steps: { done: 0, of: 9 } }],
    cohort: [],
    done: 0,
    failed: 0,
    doneWord: "up",
    seconds: 0,
    secondsLeft: undefined,
  });

  test("what is noted stands above the live lines, which are drawn anew below, until they are closed", () => {
    const texts = written();
    const display = liveDisplay(process.stderr);
    display.show(stamped({ event: "learner-done", learner: "ada", seconds: 1 }), viewOf("ada"));
    note("a remark");
    display.close();
    note("another");
    const [drawn, cleared, remark, redrawn, gone, last] = texts.map((text) => stripVTControlCharacters(text));
    expect(drawn).toContain("ada     waits");
    expect([cleared, remark, gone, last]).toEqual(["", "a remark\n", "", "another\n"]);
    expect(redrawn).toBe(drawn);
  });

  test("a log has a line per step of a learner, and one that tells what is awaited", () => {
    const texts = written();
    const display = logDisplay(["ada", "bob"]);
    const step = { learner: "ada", step: "flux-ready", title: "Flux brings the lab up", action: "create" as const };
    const compare = { learner: null, step: "compare", title: "compare", action: "do" as const };
    const waiting = Array.from({ length: 5 }, (_, index) => ({ learner: `l${index}`, step: "pipeline", title: "pipeline", seconds: 7.9 }));
    for (const fact of [
      { event: "step-started", ...compare },
      { event: "step-started", ...step },
      { event: "waiting", for: waiting, aboutSecondsLeft: null },
      { event: "step-done", ...step, seconds: 9.44 },
      { event: "step-failed", ...step, learner: null, seconds: 61 },
    ] satisfies ProgressFact[]) {
      display.show(stamped(fact), viewOf("ada"));
    }
    expect(texts.map((text) => stripVTControlCharacters(text))).toEqual([
      "  ada     create Flux brings the lab up\n",
      "  waiting for l0: pipeline, 7 s; l1: pipeline, 7 s; l2: pipeline, 7 s; 2 more. 0 of 1 up; 0.0 s so far\n",
      "  ada     Flux brings the lab up created (9.4 s)\n",
      "  cohort  Flux brings the lab up failed (1 min 1 s)\n",
    ]);
  });

  test("a log that waits for tools tells so twice a minute, and of anything else every time", () => {
    const texts = written();
    const display = logDisplay(["ada"]);
    const start = Date.parse("2026-11-26T10:00:00Z");
    const show = (seconds: number, fact: ProgressFact) => display.show(stamp(fact, new Date(start + seconds * 1000)), viewOf("ada"));
    const tools = { learner: null, step: "tools", title: "etcd: building" };
    const pipeline = { learner: "ada", step: "pipeline", title: "pipeline" };
    show(0, { event: "step-started", ...tools, action: "do" });
    const told = (seconds: number, ...steps: readonly (typeof tools | typeof pipeline)[]) => {
      const before = texts.length;
      show(seconds, { event: "waiting", for: steps.map((step) => ({ ...step, seconds })), aboutSecondsLeft: null });
      return texts.length > before;
    };
    const times = Array.from({ length: 18 }, (_, index) => 4 * (index + 1));
    expect(times.filter((seconds) => told(seconds, tools))).toEqual([28, 56]);
    expect([76, 80].map((seconds) => told(seconds, tools, pipeline))).toEqual([true, true]);
    expect([84, 88].map((seconds) => told(seconds, pipeline))).toEqual([true, true]);
    expect([92, 96].map((seconds) => told(seconds))).toEqual([true, true]);
  });
});

describe("the model", () => {
  test("does not take the time that tools took for the pace of the labs", () => {
    const model = new RunModel({
      learners: ["ada"],
      typical: { pipeline: 1, "flux-ready": 9 },
      expectedSeconds: 20,
      doneWord: "up",
      startedAt: 0,
    });
    const tools = { learner: null, step: "tools", title: "etcd: building", action: "do" } as const;
    model.apply({ event: "step-started", ...tools }, 0);
    expect(model.view(300_000).secondsLeft).toBeUndefined();
    model.apply({ event: "step-done", ...tools, seconds: 600 }, 600_000);
    expect(model.view(600_000).secondsLeft).toBe(20);
    const pipeline = { learner: "ada", step: "pipeline", title: "pipeline", action: "create" } as const;
    model.apply({ event: "step-started", ...pipeline }, 600_000);
    model.apply({ event: "step-done", ...pipeline, seconds: 1 }, 601_000);
    expect(model.view(602_000).secondsLeft).toBeLessThan(20);
  });

  test("ignores learners of whom it was not told, who may have left the roster", () => {
    const model = new RunModel({ learners: ["ada"], typical: { pipeline: 1 }, expectedSeconds: 9, doneWord: "up", startedAt: 0 });
    model.apply({ event: "step-started", learner: "gone", step: "pipeline", title: "pipeline", action: "delete" }, 0);
    expect(model.view(1000).rows).toMatchObject([{ learner: "ada", state: "waits" }]);
  });

  test("gives a step that takes longer than it should more time", () => {
    const model = new RunModel({ learners: ["ada"], typical: { pipeline: 1 }, expectedSeconds: 0, doneWord: "up", startedAt: 0 });
    model.apply({ event: "step-started", learner: "ada", step: "pipeline", title: "pipeline", action: "create" }, 0);
    expect(model.view(8000).secondsLeft).toBeGreaterThan(1);
    expect(model.view(8000).secondsLeft).toBeLessThan(8);
  });
});

test("the summary is a table with causes in short and without control characters", () => {
  const lines = renderSummary([
    { learner: "ada", result: "up", seconds: 34.21, evidence: { verdict: "pass", passed: 4, of: 4 }, cause: null },
    { learner: "bob", result: "failed", seconds: 5, evidence: null, cause: `first\n\u001b[31m${"x".repeat(100)}` },
    { learner: "cleo", result: "unfinished", seconds: null, evidence: null, cause: null },
  ]).split("\n");
  expect(lines[0]).toBe("learner  result      seconds  evidence  cause");
  expect(lines[1]).toBe("ada      up          34.2     4/4");
  expect(lines[2]).toMatch(/^bob {6}failed {6}5\.0 {6}- {9}first x+…$/);
  expect(lines[2]!.length).toBeLessThan(125);
  expect(lines[3]).toBe("cleo     unfinished  -        -");
});
