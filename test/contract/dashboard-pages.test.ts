import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { issueEntry, type Visitor } from "../../dashboard/access.ts";
import type { Gate } from "../../dashboard/gate.ts";
import { gateOf } from "../../dashboard/gate.ts";
import { answersOf } from "../../dashboard/pages/answers.ts";
import { servePages } from "../../dashboard/pages/serve.ts";
import type { Question } from "../../dashboard/pages/words.ts";
import { Sessions } from "../../dashboard/sessions.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { findRoom } from "../../host/room/machine.ts";
import { releaseNumbers } from "../../host/room/numbers.ts";
import { removeGroups } from "../../host/room/groups.ts";
import { findMarked } from "../../ledger/process-identity.ts";
import { startPiped } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { FakeCohort, serveCohort } from "../support/dashboard-cohort.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();

/** Comes in with a link and returns how to ask with the cookie. */
async function comeIn(origin: string, link: string) {
  const entered = await fetch(link);
  const cookie = entered.headers.get("set-cookie")!.split(";")[0]!;
  return (path: string) => fetch(`${origin}${path}`, { headers: { cookie } });
}

describe("the process of the pages", async () => {
  const { kind } = await findRoom();

  test.runIf(kind === "root")("is in a room: a user that nobody is, without rights, and without the lab's files", async () => {
    await mkdir(cohortPaths("roomy").daemon, { recursive: true });
    onTestFinished(() => removeGroups("roomy"));
    onTestFinished(() => releaseNumbers("roomy"));
    await using dashboard = await serveCohort(new FakeCohort("roomy", 2), "room");
    const ask = await comeIn(dashboard.origin, await dashboard.entry({ role: "instructor" }));
    expect(await (await ask("/")).text()).toContain("Ada Lovelace");
    const marked = findMarked(cohortPaths("roomy").daemon);
    const { pid: pages } = marked.find(({ name }) => name === "dashboard/pages")!.identity;
    const status = readFileSync(`/proc/${pages}/status`, "utf8");
    expect(Number(/^Uid:\s+(\d+)/m.exec(status)![1])).toBeGreaterThan(0x7000_0000 - 1);
    expect(status).toMatch(/^CapEff:\s+0000000000000000$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
    // Its root is its own: this one is in the lab's home.
    expect(() => readFileSync(`/proc/${pages}/root${cohortPaths("roomy").root}/dashboard/entries`)).toThrow("ENOENT");
    expect(() => readFileSync(`/proc/${pages}/root/root/.bashrc`)).toThrow("ENOENT");
  });

  test("is started again when it dies; who had come in goes on", async () => {
    await using dashboard = await serveCohort(new FakeCohort("phoenix", 2));
    const ask = await comeIn(dashboard.origin, await dashboard.entry({ role: "instructor" }));
    const first = dashboard.process();
    first.kill("SIGKILL");
    await waitUntil(
      async () => {
        const status =
          first === dashboard.process()
            ? 0
            : await ask("/").then(
                (answer) => answer.status,
                () => 0,
              );
        return status === 200 ? { done: true, value: undefined } : { done: false, because: `the overview answers ${status}.` };
      },
      { what: "the pages to be served again", timeoutSeconds: 20, intervalMs: 100, remedy: "" },
    );
  });

  test("outlives whatever a learner sends as a quiz, and serves the others on", async () => {
    const course = new FakeCohort("quizzed", 2);
    await using dashboard = await serveCohort(course);
    const entered = await fetch(await dashboard.entry({ role: "learner", learner: "ada" }));
    const cookie = entered.headers.get("set-cookie")!.split(";")[0]!;
    const [choice, short] = (["choice", "short"] as const).map(
      (kind) => labTemplate(course.cohort.template).quiz.questions.find((question) => question.kind === kind)!.id,
    );
    const pages = dashboard.process();
    const refused: string[] = [];
    // A byte of some is six in JSON.
    for (const character of ["\u0001", "\u0000", "\ud800", "\u{10ffff}", "\\", '"']) {
      for (const id of [choice, short]) {
        const body = new FormData();
        body.set(`q-${id}`, character.repeat(60_000 / Buffer.byteLength(character)));
        const response = await fetch(`${dashboard.origin}/me/quiz`, {
          method: "POST",
          headers: { cookie, origin: dashboard.origin },
          body,
        });
        expect([200, 400]).toContain(response.status);
        if (response.status === 400) refused.push(await response.text());
      }
    }
    expect(refused).toContainEqual(expect.stringContaining("longer than any form here"));
    expect(dashboard.process()).toBe(pages);
    expect(pages.exitCode ?? pages.signalCode).toBeNull();
    const ask = await comeIn(dashboard.origin, await dashboard.entry({ role: "instructor" }));
    expect((await ask("/")).status).toBe(200);
  });

  test("that says what no page of ours says is ended", async () => {
    const says = JSON.stringify({ id: 1, question: { call: "outputs" } });
    const child = startPiped(process.execPath, ["-e", `console.log(${JSON.stringify(says)}); setInterval(() => {}, 1000)`], {
      cwd: "/",
      env: {},
    });
    const serving = servePages(gateOf(new FakeCohort("mad", 1), new Sessions()), { loopback: 0 }, async () => child);
    await expect(serving).rejects.toThrow("ended before it listened");
    expect(child.signalCode).toBe("SIGKILL");
  });
});

describe("behind the gate", () => {
  const course = new FakeCohort("gate", 3);
  const sessions = new Sessions();
  const gate: Gate = gateOf(course, sessions);
  const answer = answersOf(gate);
  const cookieOf = async (visitor: Visitor) => (await gate.letIn(await issueEntry("gate", visitor), true))!.cookie;
  let ada: string;
  beforeAll(async () => void (ada = await cookieOf({ role: "learner", learner: "ada" })));
  const told = (question: Question) => answer(1, question);
  afterEach(() => void course.acts.splice(0));

  test.each<[string, (cookie: string) => Question]>([
    ["all learners' facts", (cookie) => ({ call: "facts", cookie, known: {} })],
    ["another's handout", (cookie) => ({ call: "handout", cookie, learner: "grace" })],
    ["another's quiz", (cookie) => ({ call: "takeQuiz", cookie, learner: "grace", answers: {} })],
    ["an action on another's lab", (cookie) => ({ call: "act", cookie, learner: "grace", action: { kind: "verify" } })],
    ["a reset of the own lab", (cookie) => ({ call: "act", cookie, learner: "ada", action: { kind: "reset" } })],
  ])("pages that turn against us get nothing with a learner's cookie: %s", async (_, question) => {
    expect(await told(question(ada))).toEqual({ id: 1, fault: "defect" });
    expect(await told(question("x".repeat(43)))).toEqual({ id: 1, fault: "defect" });
    expect(course.acts).toEqual([]);
    const instructor = await cookieOf({ role: "instructor" });
    if (question("").call !== "takeQuiz") expect(await told(question(instructor))).toHaveProperty("value");
  });

  test("another's facts and bundles are not there for them", async () => {
    expect(await told({ call: "facts", cookie: ada, learner: "grace", known: {} })).toEqual({ id: 1, value: [] });
    expect(await told({ call: "bundles", cookie: ada, learner: "grace" })).toEqual({ id: 1, value: [] });
  });

  test("facts are told once, and again when they changed", async () => {
    const ask = async (known: Record<string, number>) =>
      ((await told({ call: "facts", cookie: ada, learner: "ada", known })) as { value: { version: number; facts?: object }[] }).value[0]!;
    const first = await ask({});
    expect(first.facts).toBeDefined();
    expect(await ask({ ada: first.version })).toEqual({ id: "ada", version: first.version });
    course.change("ada", { problems: ["new"] });
    expect(await ask({ ada: first.version })).toMatchObject({ version: first.version + 1, facts: { problems: ["new"] } });
  });
});
