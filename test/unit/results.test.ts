import { parse } from "csv-parse/sync";
import { describe, expect, test } from "vitest";
import { forSpreadsheets } from "../../cli/commands/results.ts";
import { decodePersonText } from "../../shared/person-text.ts";
import { promotionResult, CohortResults, renderCsv, renderTable, sumUp, type LearnerRecords } from "../../cli/course/results.ts";

const at = (minute: number) => new Date(Date.UTC(2026, 10, 24, 9, minute)).toISOString();

const none: LearnerRecords = { exercises: {}, drills: [], quiz: [] };
const attempt = (minute: number, points: number) => ({ time: at(minute), result: { points, max: 20, percentage: points * 5 } });
const run = (drill: string, start: number, times: { solvedAt?: string; solverAt?: string } = {}) => ({
  drill,
  startedAt: at(start),
  hints: [],
  checks: [],
  ...times,
});

describe("what was recorded of a learner", () => {
  test("may be nothing", () => {
    expect(sumUp(["rollback"], none)).toEqual({
      exercises: [{ id: "rollback", checks: 0, hints: 0, solver: false }],
      drills: [],
      quiz: { attempts: 0 },
    });
  });

  test("counts an exercise by its first pass, whatever came after", () => {
    const checks = [5, 6, 7].map((minute) => ({ time: at(minute), status: minute === 6 ? "pass" : "fail" }));
    const { exercises } = sumUp(["rollback"], { ...none, exercises: { rollback: { hints: [at(4)], checks, solved: [] } } });
    expect(exercises).toEqual([{ id: "rollback", checks: 3, firstPass: at(6), hints: 1, solver: false }]);
  });

  test.each([
    ["before the first pass", 5, true],
    ["after it", 7, false],
  ])("says when the reference solver did an exercise: %s", (_, minute, solver) => {
    const { exercises } = sumUp(["rollback"], {
      ...none,
      exercises: { rollback: { hints: [], checks: [{ time: at(6), status: "pass" }], solved: [at(minute)] } },
    });
    expect(exercises[0]!.solver).toBe(solver);
  });

  test("gives the shortest time of a drill that the learner solved", () => {
    const drills = [
      run("bad-image", 0, { solvedAt: at(9) }),
      run("bad-image", 20, { solvedAt: at(24) }),
      run("bad-image", 30, { solverAt: at(31), solvedAt: at(32) }),
      run("outage", 40),
    ];
    expect(sumUp([], { ...none, drills }).drills).toEqual([
      { id: "bad-image", started: 3, solved: 2, seconds: 240, hints: 0 },
      { id: "outage", started: 1, solved: 0, hints: 0 },
    ]);
  });

  test("gives the best attempt at the quiz, and of equal ones the first", () => {
    const { quiz } = sumUp([], { ...none, quiz: [attempt(1, 3), attempt(2, 17), attempt(3, 17), attempt(4, 5)] });
    expect(quiz).toEqual({ attempts: 4, best: { time: at(2), points: 17, max: 20, percentage: 85 } });
  });

  test("begins and ends with the first and the last of all records", () => {
    const records = {
      exercises: { rollback: { hints: [at(9)], checks: [], solved: [] } },
      drills: [run("outage", 3)],
      quiz: [attempt(30, 1)],
    };
    expect(sumUp([], records)).toMatchObject({ firstActivity: at(3), lastActivity: at(30) });
  });
});

/** A cohort of two, the second called as told. */
function cohort(name: string): CohortResults {
  const evidence = {
    verdict: "pass",
    items: [{ id: "reconcile-success", title: "Flux reconcile success", status: "pass", observedAt: at(0) }],
  } as const;
  const learner = (id: string, called: string, records: LearnerRecords) => ({
    id,
    name: called,
    email: `${id}@example.org`,
    evidence,
    ...sumUp(["rollback"], records),
  });
  return CohortResults.parse({
    schemaVersion: 1,
    cohort: "demo",
    course: "A course",
    template: "gitops-promotion",
    takenAt: at(59),
    learners: [
      learner("ada", "Ada", { ...none, drills: [run("outage", 1, { solvedAt: at(2) })] }),
      learner("bob", name, { ...none, quiz: [attempt(3, 10)] }),
    ],
  });
}

describe("results as CSV", () => {
  test("have a line per learner with the same columns, ended as RFC 4180 says", () => {
    const text = renderCsv(cohort('Bob "the\nbuilder", Builder'));
    expect(text.endsWith("\r\n")).toBe(true);
    const [ada, bob] = parse<Record<string, string>>(text, { columns: true });
    expect(ada).toMatchObject({
      id: "ada",
      evidence: "pass",
      "evidence reconcile-success": "pass",
      "rollback checks": "0",
      "drill outage seconds": "60",
      "quiz attempts": "0",
    });
    expect(bob).toMatchObject({
      name: 'Bob "the\nbuilder", Builder',
      "drill outage started": "0",
      "quiz best percentage": "50",
      "last activity": at(3),
    });
    expect(Object.keys(bob!)).toEqual(Object.keys(ada!));
  });

  test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x";"y")'])("let no name be a formula: %j", (name) => {
    expect(parse<Record<string, string>>(renderCsv(cohort(name)), { columns: true })[1]!["name"]).toBe(`'${name}`);
  });

  // Excel divides by what the locale says, and knows no quotation mark in the middle of a field.
  test.each(["Ada;=1+1", "Ada;  @SUM(A1)", 'Ada, "the";"=1', "Ada\t-1", "Ada\n+1", "Ada|=1", ";=1;=2"])(
    "let none be one where a locale divides lines elsewhere: %j",
    (name) => {
      const divided = renderCsv(cohort(name)).split(/[;\t\r\n|]/);
      expect(divided.filter((part) => /^["\s]*[=+\-@]/.test(part))).toEqual([]);
    },
  );
});

test("results as CSV say that they are UTF-8 where a spreadsheet could not know, and are read as a roster's writing is", () => {
  const accents = forSpreadsheets(renderCsv(cohort("José Núñez")));
  expect(accents.startsWith("\ufeffid,name")).toBe(true);
  expect(decodePersonText(Buffer.from(accents), "sheet")).toEqual({ text: expect.stringMatching(/^id,name,.*\n.*\n.*José Núñez/) });
  expect(forSpreadsheets(renderCsv(cohort("Bob"))).startsWith("id,name")).toBe(true);
});

describe("what has become of the promotion", () => {
  const hold = { state: "waiting", seconds: 5, neededSeconds: 120, until: at(9) } as const;
  const value = { environment: "production", state: "rolled-back", since: at(7), applied: true, hold, says: "it is rolled back" } as const;
  const back = promotionResult({ status: "observed", value });

  test("is told in short, also of a lab that is paused or could not be looked at", () => {
    expect(back).toEqual({ state: "rolled-back", since: at(7), hold: "waiting", holdsAt: at(9), says: "it is rolled back" });
    expect(promotionResult(undefined)).toMatchObject({ state: "paused" });
    expect(promotionResult({ status: "error", reason: "away" })).toEqual({ state: "not-seen", says: "away" });
  });

  test("has a column with its since-when, which are empty in results of version 1", () => {
    const all = cohort("Bob");
    all.learners[0]!.evidence.promotion = back;
    const [ada, bob] = parse<Record<string, string>>(renderCsv(all), { columns: true });
    expect(ada).toMatchObject({ promotion: "rolled back, waiting", "promotion since": at(7) });
    expect(bob).toMatchObject({ promotion: "", "promotion since": "" });
    all.learners[1]!.evidence = { verdict: "error", items: [], promotion: promotionResult(undefined) };
    expect(renderTable(all)).toMatch(/^ada +Ada +pass \(1 of 1\) +rolled back, waiting 2026\S+ .*\nbob +Bob +paused +- /m);
  });
});

describe("results for a terminal", () => {
  test("are aligned, and carry no control characters", () => {
    const lines = renderTable(cohort("Bob\u001b[31m\nB")).trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^ada {6}Ada {4}pass \(1 of 1\) {2}- {10}0 of 1 {5}1 of 1 solved {2}no attempt {2}\s*2026/);
    expect(lines[2]).toContain("Bob B");
    expect(lines[2]).toContain("50 % of 1");
    expect(lines.join("")).not.toContain("\u001b");
  });
});
