import fc from "fast-check";
import { expect, test } from "vitest";
import type { LearnerFacts } from "../../dashboard/facts.ts";
import { gateOf } from "../../dashboard/gate.ts";
import { answersOf } from "../../dashboard/pages/answers.ts";
import { FromPages } from "../../dashboard/pages/words.ts";
import { dashboardServer } from "../../dashboard/server.ts";
import { Sessions } from "../../dashboard/sessions.ts";
import { learnerLive } from "../../dashboard/views/learner.ts";
import { overviewPage } from "../../dashboard/views/overview.ts";
import { ownLive } from "../../dashboard/views/own.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { chainCommit, drillRun, FakeCohort, reportsOf } from "../support/dashboard-cohort.ts";
import { answerOf, forEvery, nothingIsMade } from "../support/hostile/soundness.ts";
import { bent, text } from "../support/hostile/text.ts";
import { digestOf, tagOf } from "../support/lab-state.ts";

nothingIsMade();

const origin = "http://127.0.0.1:7780";
const cookieName = "gitops-lab-dashboard-7780";
const ids = gitopsPromotion.quiz.questions.map(({ id }) => id);

const word = text.map((value) => encodeURIComponent(value.toWellFormed()));
const target = bent(
  "me",
  "me/quiz",
  "me/evidence/20261102T100000Z",
  "learners/ada",
  "learners/grace/evidence/x",
  "enter?token=abc",
  "learners/ada/row",
  "static/style.css",
  "summary",
  "leave",
).map((path) => `/${path.replace(/[^\u0021-\u007e]/g, (sign) => encodeURIComponent(sign.toWellFormed())).replace(/^\/+/, "")}`);
const header = text.map((value) =>
  Buffer.from(value, "utf8")
    .toString("latin1")
    .replace(/[^\t\u0020-\u007e\u0080-\u00ff]/g, "")
    .trim(),
);
const form = fc.oneof(
  fc
    .array(fc.tuple(fc.oneof(word, fc.constantFrom(...ids.map((id) => `q-${id}`), "drill")), word), { maxLength: 4 })
    .map((fields) => fields.map((field) => field.join("=")).join("&")),
  text,
  bent(`--b\r\nContent-Disposition: form-data; name="q-${ids[0]}"\r\n\r\nx\r\n--b--\r\n`),
);
const type = fc.oneof(
  fc.constantFrom(
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "application/json",
  ),
  header,
);

test("every request gets a page or a refusal, and a learner nothing of others", async () => {
  const cohort = new FakeCohort("demo", 3);
  const sessions = new Sessions();
  const server = dashboardServer(gateOf(cohort, sessions), { origins: () => [origin], instructor: true });
  const cookies = {
    nobody: "x",
    learner: await sessions.open({ role: "learner", learner: "ada" }),
    instructor: await sessions.open({ role: "instructor" }),
  };
  const requests = fc.record({
    who: fc.constantFrom("nobody" as const, "learner" as const, "learner" as const, "instructor" as const),
    method: fc.constantFrom("GET", "GET", "POST", "POST", "PUT", "DELETE", "OPTIONS"),
    target,
    // Another one is refused before anything else is looked at.
    host: fc.oneof({ arbitrary: fc.constant("127.0.0.1:7780"), weight: 9 }, { arbitrary: header, weight: 1 }),
    from: fc.oneof({ arbitrary: fc.constant(origin), weight: 9 }, { arbitrary: header, weight: 1 }),
    cookie: fc.oneof({ arbitrary: fc.constant(""), weight: 9 }, { arbitrary: header, weight: 1 }),
    type,
    form,
  });
  await forEvery(requests, async ({ who, method, target, host, from, cookie, type, form }) => {
    // A sign-out would end what the others come in with.
    if (/^\/leave/.test(target)) return;
    const body = method === "GET" || method === "DELETE" || method === "OPTIONS" ? undefined : Buffer.from(form);
    const answer = await server.request(`${origin}${target}`, {
      method,
      headers: {
        host,
        origin: from,
        cookie: `${cookieName}=${cookies[who]}; ${cookie}`,
        "content-type": type,
        "content-length": String(body?.length ?? 0),
      },
      ...(body && { body }),
    });
    if (answer.status >= 500) throw new Error(`${who} got ${answer.status} for ${method} ${target}`);
    const page = await answer.text();
    expect(page).not.toMatch(/\n\s+at .*:\d+:\d+|node:internal/);
    if (who === "nobody") expect(page).not.toMatch(/Lovelace|Hopper/);
    if (who === "learner") expect(page).not.toMatch(/Hopper|Dijkstra/);
    if (who === "learner" && method === "POST") for (const { learner } of cohort.acts.splice(0)) expect(learner).toBe("ada");
    cohort.acts.length = 0;
    if (cohort.of("ada")!.attempts.length > 5) cohort.change("ada", { attempts: [] });
  });
});

test("pages that turn against us get an answer to every question, and with a learner's cookie nothing of others", async () => {
  const course = new FakeCohort("demo", 3);
  const sessions = new Sessions();
  const ada = await sessions.open({ role: "learner", learner: "ada" });
  const answer = answersOf(gateOf(course, sessions));
  const learner = fc.oneof(fc.constantFrom("ada", "grace", "../ada", "__proto__"), text);
  const question = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        call: fc.constantFrom("letIn", "visit", "facts", "handout", "bundles", "bundlePage", "takeQuiz", "act", "leaves", "constructor"),
        cookie: fc.oneof(fc.constant(ada), text),
        token: text,
        instructor: fc.boolean(),
        learner,
        known: fc.dictionary(learner, fc.integer()),
        name: text,
        answers: fc.dictionary(text, fc.oneof(text, fc.array(text))),
        action: fc.record({ kind: fc.oneof(fc.constantFrom("verify", "reset", "drill"), text), drill: text }),
      },
      { requiredKeys: ["call"] },
    ),
  );
  await forEvery(question, async (asked) => {
    const said = FromPages.safeParse({ id: 1, question: asked });
    if (!said.success || !("question" in said.data)) return;
    const told = JSON.stringify(await answer(1, said.data.question));
    expect(told).not.toMatch(/Hopper|Dijkstra|node:internal/);
    for (const act of course.acts.splice(0)) expect(act).toEqual({ learner: "ada", action: { kind: "verify" } });
    if (course.of("ada")!.attempts.length > 5) course.change("ada", { attempts: [] });
  });
});

/** What of a learner's facts the learner has the words of. */
const facts: fc.Arbitrary<LearnerFacts> = fc
  .record({
    subject: text,
    author: text,
    tag: fc.oneof(text, fc.constant(tagOf("staging", "0.2.0"))),
    digest: fc.oneof(text, fc.constant(digestOf("a"))),
    said: text,
  })
  .map(({ subject, author, tag, digest, said }) => {
    const image = { repository: said, tag, digest };
    const at = "2026-11-02T10:00:00.000Z";
    const commit = chainCommit("a", "promotion", {
      subject,
      author,
      changes: [{ environment: "staging", from: image, to: image }],
      journal: [
        { event: "received", at, by: author, branch: said },
        { event: "held", at, environment: "staging", tag, reason: said },
        { event: "build-failed", at, version: tag, reason: said },
      ],
    });
    const reports = reportsOf(["pass", "fail", "error"]).map((report) => ({
      ...report,
      result:
        report.result.status === "error"
          ? { ...report.result, reason: said }
          : { ...report.result, observed: said, ...(report.result.status === "fail" && { expected: said, hint: said }) },
    })) as NonNullable<LearnerFacts["checklist"]>["reports"];
    return {
      id: "ada",
      name: "Ada",
      branch: { name: "main", tip: commit.id, commits: [commit], truncated: false, environments: [{ name: "staging", image }] },
      checklist: { at, reports },
      exercises: { rollback: { hints: [], checks: [{ time: at, status: "fail", says: said }], solved: [] } },
      attempts: [],
      drills: [drillRun({ checks: [{ at, status: "fail", says: said }] })],
      processes: [],
      problems: [said],
    };
  });

test("pages show a learner's words as text", async () => {
  const cohort = new FakeCohort("demo", 1);
  await forEvery(
    facts,
    async (facts) => {
      cohort.change("ada", facts);
      for (const view of [ownLive(cohort, facts, []), learnerLive(cohort, facts, []), overviewPage(cohort)]) {
        const page = String(await answerOf("a view", () => view));
        expect(page.includes("<script>alert")).toBe(false);
        const odd = /[^\n\P{Cc}]|[\u202a-\u202e\u2066-\u2069]/u.exec(page);
        if (odd) throw new Error(`a page has ${JSON.stringify(page.slice(Math.max(0, odd.index - 200), odd.index + 20))}`);
      }
    },
    { numRuns: 1500 },
  );
});
