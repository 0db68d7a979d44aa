import { describe, expect, test } from "vitest";
import type { LearnerFacts } from "../../dashboard/facts.ts";
import { answersOf } from "../../dashboard/quiz-form.ts";
import { nextLookMs } from "../../dashboard/next-look.ts";
import { howLong, lastActivity, rowOf, stuckSince, waitingFor } from "../../dashboard/rows.ts";
import { geometry, pushLane, timelineOf } from "../../dashboard/timeline.ts";
import { timelineView } from "../../dashboard/views/timeline.ts";
import { learnerLive } from "../../dashboard/views/learner.ts";
import { overviewPage, rowView } from "../../dashboard/views/overview.ts";
import { ownLive } from "../../dashboard/views/own.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { environments } from "../../shared/names.ts";
import type { PromotionState } from "../../verification/bundle/schema.ts";
import type { JournalEntry } from "../../verification/journal.ts";
import { chainCommit, drillRun, FakeCohort, factsOf, promotedBranch, reportsOf } from "../support/dashboard-cohort.ts";
import { digestOf, shaOf } from "../support/lab-state.ts";

const template = gitopsPromotion;
const none: LearnerFacts = { id: "ada", name: "Ada", exercises: {}, attempts: [], drills: [], processes: [], problems: [] };
const branchOf = (...journal: JournalEntry[]) => ({ ...promotedBranch(), commits: [chainCommit("1", "learner", { journal })] });
const at = (minute: number) => `2026-11-02T10:${String(minute).padStart(2, "0")}:00.000Z`;

describe("the timeline", () => {
  const { commits } = promotedBranch();
  const timeline = timelineOf(commits, environments);
  const node = (letter: string, kind?: string) =>
    timeline.nodes.find(({ commit, ...rest }) => commit === shaOf(letter) && (kind === undefined || rest.kind === kind))!;

  test("has a lane for pushes and one for each environment, in their order", () => {
    expect(timeline.lanes.map(({ name }) => name)).toEqual([pushLane, ...environments]);
    expect(timeline.lanes.map(({ y }) => y)).toEqual(timeline.lanes.map(({ y }) => y).toSorted((a, b) => a - b));
  });

  test("goes from the oldest commit on the left to the newest on the right, within its bounds", () => {
    expect(timeline.nodes[0]).toMatchObject({ commit: shaOf("a"), kind: "seed", x: geometry.left + geometry.column / 2 });
    expect(node("9").x).toBeGreaterThan(node("8").x);
    for (const { x, y } of timeline.nodes) {
      expect(x).toBeLessThan(timeline.width);
      expect(y).toBeLessThan(timeline.height);
    }
  });

  test("puts a commit into the lane of each environment that it changes, and others among the pushes", () => {
    expect(timeline.nodes.filter(({ commit }) => commit === shaOf("a")).map(({ lane }) => lane)).toEqual(environments);
    expect(node("3")).toMatchObject({ lane: pushLane, kind: "learner" });
    expect(node("4")).toMatchObject({ lane: "develop", label: "0.3.0" });
  });

  test("leads from where an image ran before to where it was promoted", () => {
    const { x, y } = node("6");
    expect(timeline.links).toContainEqual({ kind: "promotion", from: { x: node("4").x, y: node("4").y }, to: { x, y } });
    expect(timeline.links).toContainEqual({ kind: "request", from: { x: node("5").x, y: node("5").y }, to: { x, y } });
  });

  test("leads from a revert back to what it takes back, and not from an image that was there before", () => {
    const { x, y } = node("9");
    expect(timeline.links.filter(({ from, to }) => (from.x === x && from.y === y) || (to.x === x && to.y === y))).toEqual([
      { kind: "revert", from: { x, y }, to: { x: node("8").x, y: node("8").y } },
    ]);
  });

  test("shows a held proposal beside the promotion that was carried out", () => {
    expect(node("8", "held")).toMatchObject({ lane: "production" });
    expect(node("8", "held").x).toBeGreaterThan(node("8", "promotion").x);
  });

  test("draws the newest commits where there are more than fit, and says how many are left", () => {
    const few = timelineOf(commits, environments, 3);
    expect(new Set(few.nodes.map(({ commit }) => commit))).toEqual(new Set(["7", "8", "9"].map(shaOf)));
    expect(few.left).toBe(8);
    expect(timelineOf([], environments).nodes).toEqual([]);
  });

  test("is a table as well, with every commit, and lets no text of a commit become markup", async () => {
    const page = String(
      await timelineView(
        { ...promotedBranch(), commits: [chainCommit("1", "learner", { subject: "<img src=x>" }), ...commits] },
        environments,
        "t",
      ),
    );
    for (const { id } of commits) expect(page).toContain(`<code>${id.slice(0, 7)}</code>`);
    expect(page).toContain("&lt;img src=x&gt;");
    expect(page).not.toContain("<img");
    expect(page).not.toMatch(/ style="/);
  });
});

describe("the pages of a lab that should be in a room and is not", () => {
  const noRoom = "No room: what <b>they</b> write runs on the lab host.";
  const bare: LearnerFacts = { ...none, noRoom };
  const cohort = new FakeCohort("demo", 1);
  const notice = /<p class="notice error no-room">No room: what &lt;b&gt;they&lt;\/b&gt; write runs on the lab host\.<\/p>/;

  test("say so in the row, above the rows, on the learner's page and to the learner", async () => {
    const source = Object.assign(cohort, { facts: () => [none, bare, { ...bare, id: "bob" }] });
    expect(String(await rowView(bare, source))).toMatch(/<span class="under error" title="No room: [^"]*">no room<\/span>/);
    // Once for all of whom it is true.
    expect(String(await overviewPage(source)).match(new RegExp(notice, "g"))).toHaveLength(1);
    for (const page of [learnerLive(source, bare, []), ownLive(source, bare, [])]) expect(String(await page)).toMatch(notice);
  });

  test("say nothing of the others", async () => {
    const source = Object.assign(cohort, { facts: () => [none] });
    for (const page of [rowView(none, source), overviewPage(source), learnerLive(source, none, []), ownLive(source, none, [])])
      expect(String(await page)).not.toMatch(/no room/i);
  });
});

describe("a limit that a learner came up against", () => {
  const hit = (hoursAgo: number, said: string) => ({ at: new Date(Date.now() - hoursAgo * 3_600_000).toISOString(), limit: "push", said });
  const limited: LearnerFacts = {
    ...none,
    limitHits: [hit(3, "The <b>first</b>."), hit(2, "A push may have 50 MiB; <i>this</i> one has 60.")],
  };
  const pages = async (facts: LearnerFacts) => {
    const source = new FakeCohort("demo", 1);
    return [rowView(facts, source), learnerLive(source, facts, []), ownLive(source, facts, [])].map(async (page) => String(await page));
  };

  test("is on the overview, the learner's page and the learner's own, in the words that the learner got", async () => {
    const [row, page, own] = await Promise.all(await pages(limited));
    expect(row).toContain('title="A push may have 50 MiB; &lt;i&gt;this&lt;/i&gt; one has 60.">limit push</span>');
    for (const shown of [page, own]) {
      expect(shown).toMatch(
        /Came up against a limit 2 times in the last day, .*ago \(push\): A push may have 50 MiB; &lt;i&gt;this&lt;\/i&gt; one has 60\./,
      );
    }
  });

  test("is no news after a day", async () => {
    for (const shown of await Promise.all(await pages({ ...none, limitHits: [hit(25, "old")] }))) expect(shown).not.toMatch(/limit/i);
  });
});

describe("a row", () => {
  test("says of what was not looked at that it is open, and nothing else", () => {
    const row = rowOf(none, template);
    expect(row.checklist.map(({ status }) => status)).toEqual(template.evidence.map(() => "open"));
    expect(row).toMatchObject({ exercises: { done: 0, of: template.exercises.length }, processes: { state: "none" } });
    expect(row).not.toHaveProperty("stuck");
    expect(row).not.toHaveProperty("quiz");
  });

  test("has the checklist in the template's order whatever the order of the reports", () => {
    const reports = reportsOf(["pass", "fail", "error", "pass"]).toReversed();
    expect(rowOf({ ...none, checklist: { at: at(0), reports } }, template).checklist.map(({ status }) => status)).toEqual([
      "pass",
      "fail",
      "error",
      "pass",
    ]);
  });

  test("counts an exercise that was passed once, and takes the best attempt of the quiz", () => {
    const [{ id } = { id: "" }] = template.exercises;
    const check = (status: "pass" | "fail", minute: number) => ({ time: at(minute), status, says: "" });
    const attempts = [40, 70, 60].map((percentage) => ({
      time: at(1),
      answers: {},
      result: { questions: [], points: 0, max: 0, percentage },
    }));
    const row = rowOf(
      { ...none, exercises: { [id]: { hints: [], checks: [check("pass", 1), check("fail", 2)], solved: [] } }, attempts },
      template,
    );
    expect(row).toMatchObject({ exercises: { done: 1 }, quiz: 70 });
    expect(row).not.toHaveProperty("stuck");
  });

  test("counts a drill that the learner solved, not one that the reference solver did", () => {
    const drillsOf = (...runs: Parameters<typeof drillRun>) =>
      rowOf({ ...none, drills: runs.map((run) => drillRun(run)) }, template).drills;
    expect(drillsOf({ solvedAt: at(6), resetAt: at(7) })).toEqual({ done: 1, of: template.drills.length });
    expect(drillsOf({ solverAt: at(5), solvedAt: at(6) })).toMatchObject({ done: 0, running: template.drills[0]!.id });
  });

  test("says restarting where one process is, else paused where one is", () => {
    const process = (state: "running" | "paused" | "restarting") => ({ name: state, owner: "ada", state, restarts: 0 });
    const stateOf = (...states: ("running" | "paused" | "restarting")[]) =>
      rowOf({ ...none, processes: states.map(process) }, template).processes;
    expect(stateOf("running", "running")).toEqual({ running: 2, of: 2, state: "running" });
    expect(stateOf("running", "paused")).toEqual({ running: 1, of: 2, state: "paused" });
    expect(stateOf("running", "paused", "restarting")).toMatchObject({ state: "restarting" });
  });

  test("shows tag and short digest, and no more of a name than text", async () => {
    const page = String(await rowView({ ...factsOf(0), name: "<b>Ada</b>" }, { template }));
    expect(page).toContain(digestOf("c").replace("sha256:", "").slice(0, 8));
    expect(page).toContain("&lt;b&gt;Ada&lt;/b&gt;");
  });
});

test("the last activity is the newest entry of the journal by the server's clock, wherever it is noted", () => {
  const branch = {
    ...promotedBranch(),
    commits: [
      chainCommit("2", "learner", { journal: [{ event: "received", at: at(3), by: "ada", branch: "main" }] }),
      chainCommit("1", "learner", { journal: [{ event: "built", at: at(9), version: "1.0.0", tag: "t", digest: "d" }] }),
    ],
  };
  expect(lastActivity({ ...none, branch })).toEqual({ at: at(9), what: "built 1.0.0" });
});

describe("a learner is stuck", () => {
  const failed = (minute: number): JournalEntry => ({ event: "build-failed", at: at(minute), version: "1.0.0", reason: "no" });
  const built = (minute: number): JournalEntry => ({ event: "built", at: at(minute), version: "1.0.0", tag: "t", digest: "d" });

  test("since the first failure after which nothing was brought", () => {
    expect(stuckSince({ ...none, branch: branchOf(failed(1), built(2), failed(3), failed(4)) })).toMatchObject({ at: at(3) });
    expect(stuckSince({ ...none, branch: branchOf(failed(1), built(2)) })).toBeUndefined();
  });

  test("since an exercise was first not passed, but not by what could not be looked at", () => {
    const exercise = (...statuses: ("pass" | "fail" | "error")[]) => ({
      tracking: { hints: [], solved: [], checks: statuses.map((status, minute) => ({ time: at(minute), status, says: "" })) },
    });
    expect(stuckSince({ ...none, exercises: exercise("error", "fail", "fail") })).toMatchObject({
      at: at(1),
      what: "exercise tracking not passed",
    });
    expect(stuckSince({ ...none, exercises: exercise("error") })).toBeUndefined();
    expect(stuckSince({ ...none, exercises: exercise("fail", "pass") })).toBeUndefined();
  });

  test("since a drill was started that is not solved, and since the earliest of all", () => {
    const run = drillRun({ startedAt: at(5) });
    const drills = [run];
    expect(stuckSince({ ...none, drills })).toMatchObject({ at: at(5) });
    expect(stuckSince({ ...none, drills: [{ ...run, solvedAt: at(6) }] })).toBeUndefined();
    expect(stuckSince({ ...none, drills: [{ ...run, resetAt: at(6) }] })).toBeUndefined();
    expect(stuckSince({ ...none, drills, branch: branchOf(failed(1)) })).toMatchObject({ at: at(1) });
  });

  const soon = (minute: number) => Date.parse(at(minute));
  const failing = { rollback: { hints: [], solved: [], checks: [{ time: at(1), status: "fail" as const, says: "" }] } };

  test("after ten minutes of it, not before", () => {
    expect(stuckSince({ ...none, exercises: failing }, soon(10))).toBeUndefined();
    expect(stuckSince({ ...none, exercises: failing }, soon(11))).toMatchObject({ at: at(1) });
  });

  test("since the checklist is red, whatever commits came meanwhile, but not by having promoted nothing yet", () => {
    const checklist = { at: at(30), reports: reportsOf(["pass", "fail"]), redSince: at(2) };
    expect(stuckSince({ ...none, checklist })).toEqual({ at: at(2), what: "checklist: Image policy match" });
    expect(stuckSince({ ...none, checklist: { ...checklist, promotion: promotionState("none") } })).toBeUndefined();
    const { redSince: _, ...green } = checklist;
    expect(stuckSince({ ...none, checklist: green })).toBeUndefined();
  });

  test("by no rollback that waits to hold, nor for ten minutes after it; it waits, with the time left", () => {
    const promotion = promotionState("rolled-back", { state: "waiting", seconds: 5, neededSeconds: 120, until: at(22) });
    const drills = [drillRun({ startedAt: at(0) })];
    const facts = { ...none, exercises: failing, drills, checklist: { at: at(20), reports: reportsOf([]), promotion } };
    expect(stuckSince(facts, soon(21))).toBeUndefined();
    expect(waitingFor(facts, soon(21))).toEqual({ until: at(22), what: "rollback of production is to hold" });
    expect(rowOf(facts, template, soon(21))).toMatchObject({ waiting: { until: at(22) } });
    expect(stuckSince(facts, soon(31))).toBeUndefined();
    expect(waitingFor(facts, soon(31))).toBeUndefined();
    expect(stuckSince(facts, soon(32))).toMatchObject({ at: at(22) });
    // What a failed build needs is no wait.
    expect(stuckSince({ ...facts, branch: branchOf(failed(1)) }, soon(21))).toMatchObject({ what: "build of 1.0.0 failed" });
  });

  test("by nothing whose last check said to wait", () => {
    const checks = [
      { time: at(1), status: "fail" as const, says: "" },
      { time: at(20), status: "fail" as const, says: "", waitUntil: at(24) },
    ];
    const exercises = { rollback: { hints: [], solved: [], checks } };
    expect(stuckSince({ ...none, exercises }, soon(23))).toBeUndefined();
    expect(waitingFor({ ...none, exercises }, soon(23))).toEqual({ until: at(24), what: "exercise rollback" });
    expect(stuckSince({ ...none, exercises }, soon(34))).toMatchObject({ at: at(24) });
    const drills = [drillRun({ startedAt: at(0), checks: checks.map(({ time, ...rest }) => ({ at: time, ...rest })) })];
    expect(stuckSince({ ...none, drills }, soon(23))).toBeUndefined();
    expect(waitingFor({ ...none, drills }, soon(23))).toMatchObject({ until: at(24) });
  });
});

const promotionState = (state: PromotionState["state"], hold?: PromotionState["hold"]): PromotionState => ({
  environment: "production",
  state,
  since: at(20),
  applied: true,
  ...(hold && { hold }),
  says: "As <b>it</b> is.",
});

describe("the state of the promotion", () => {
  const soonAfter = new Date(Date.now() + 65_000).toISOString();
  const hold = { state: "waiting", seconds: 5, neededSeconds: 120, until: soonAfter } as const;
  const facts: LearnerFacts = {
    ...none,
    checklist: { at: at(30), reports: reportsOf([]), promotion: promotionState("rolled-back", hold) },
  };
  const source = Object.assign(new FakeCohort("demo", 1), { facts: () => [facts] });

  test("is in the row with its age, and a wait is counted as such and not as stuck", async () => {
    const row = String(await rowView(facts, source));
    expect(row).toMatch(/title="As &lt;b&gt;it&lt;\/b&gt; is\.">rolled back, waiting, <time [^>]*data-ago>/);
    expect(row).toMatch(/data-label="Stuck for"><div>waits, <time [^>]*data-left>6\d s<\/time> left/);
    const page = String(await overviewPage(source));
    expect(page).toMatch(/<dt>Stuck<\/dt><dd>0<\/dd>/);
    expect(page).toMatch(/<dt>Waiting<\/dt><dd>1<\/dd>/);
  });

  test("is beside the checklist for instructor and learner", async () => {
    for (const page of [learnerLive(source, facts, []), ownLive(source, facts, [])])
      expect(String(await page)).toMatch(/production: <strong>rolled back<\/strong> for <time.*It waits to hold: <time [^>]*data-left>/);
    const drifted = { ...facts, checklist: { ...facts.checklist!, promotion: promotionState("changed-outside-git") } };
    expect(String(await learnerLive(source, drifted, []))).toMatch(
      /<p class="notice fail">production: <strong>changed outside Git<\/strong>/,
    );
  });
});

test("a checklist is looked at when a rollback is to have held, soon while it is red, and else rarely", () => {
  const now = Date.parse(at(20));
  const look = (rest: object) => nextLookMs({ at: at(20), reports: [], ...rest }, now);
  expect(look({ promotion: promotionState("rolled-back", { state: "waiting", seconds: 0, neededSeconds: 60, until: at(21) }) })).toBe(
    65_000,
  );
  expect(look({ redSince: at(1) })).toBe(120_000);
  expect(look({})).toBe(30 * 60_000);
});

test.each([
  [0, "<1 min"],
  [61, "1 min"],
  [119 * 60, "119 min"],
  [121 * 60, "2 h"],
  [49 * 3600, "2 d"],
])("%i s are %s", (seconds, text) => expect(howLong(seconds * 1000)).toBe(text));

test("answers are the questions' own fields, lists for choices and texts for short ones", () => {
  const choice = template.quiz.questions.find(({ kind }) => kind === "choice")!.id;
  const short = template.quiz.questions.find(({ kind }) => kind === "short")!.id;
  expect(answersOf(template.quiz, { [`q-${choice}`]: "one", [`q-${short}`]: ["because", "x"], other: "y" })).toEqual({
    [choice]: ["one"],
    [short]: "because",
  });
  expect(answersOf(template.quiz, { [`q-${choice}`]: ["one", "two"], [`q-${short}`]: "" })).toEqual({ [choice]: ["one", "two"] });
});
