import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dashboardFolder, entryLink, issueEntry, readServerPort, removeServer, takeEntry, writeServer } from "../../dashboard/access.ts";
import { Sessions } from "../../dashboard/sessions.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { drillRun, FakeCohort, serveCohort, type RunningDashboard } from "../support/dashboard-cohort.ts";
import { useLabHome } from "../support/lab-home.ts";

useLabHome();
const cohort = new FakeCohort("access", 3);
let dashboard: RunningDashboard;
beforeAll(async () => void (dashboard = await serveCohort(cohort)));
afterAll(() => dashboard[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** By node's own client, which sends whatever Host and Origin it is told. */
function ask(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const form: Record<string, string> = body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" };
    const outgoing = request(
      {
        host: "127.0.0.1",
        port: dashboard.port,
        method,
        path,
        headers: { "content-length": String(body?.length ?? 0), ...form, ...headers },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers }));
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

async function comeIn(visitor: Parameters<RunningDashboard["entry"]>[0]): Promise<{ cookie: string; answer: Answer }> {
  const answer = await ask("GET", new URL(await dashboard.entry(visitor)).href.replace(dashboard.origin, ""));
  return { cookie: (answer.headers["set-cookie"] as string[] | undefined)?.[0]?.split(";")[0] ?? "", answer };
}
const instructor = async () => (await comeIn({ role: "instructor" })).cookie;
const learner = async (id: string) => (await comeIn({ role: "learner", learner: id })).cookie;

const everything = [
  "/",
  "/summary",
  "/events",
  "/learners/ada",
  "/learners/ada/row",
  "/learners/ada/live",
  "/learners/ada/reset",
  "/learners/ada/handout",
  "/learners/ada/evidence/20261102T100000Z",
];

describe("without having come in", () => {
  test.each([...everything, "/me", "/me/quiz", "/nowhere"])("%s shows nothing", async (path) => {
    const { status, body } = await ask("GET", path);
    expect(status).toBe(401);
    expect(body).not.toMatch(/ada|Lovelace/i);
  });

  test("nothing can be done", async () => {
    expect((await ask("POST", "/learners/ada/pause", { origin: dashboard.origin })).status).toBe(401);
    expect(cohort.acts).toEqual([]);
  });

  test("a cookie of somebody's making is worth nothing", async () => {
    expect((await ask("GET", "/", { cookie: `gitops-lab-dashboard-${dashboard.port}=${"a".repeat(43)}` })).status).toBe(401);
  });
});

describe("a link", () => {
  test("lets in once, gives a cookie that no script reads and no other site sends, and is not in the page", async () => {
    const link = new URL(await dashboard.entry({ role: "instructor" }));
    const path = link.pathname + link.search;
    const first = await ask("GET", path);
    expect(first.status).toBe(200);
    expect(first.headers["set-cookie"]).toEqual([expect.stringMatching(/; HttpOnly; SameSite=Strict$/)]);
    expect(first.body).not.toContain(link.searchParams.get("token"));
    const second = await ask("GET", path);
    expect(second.status).toBe(403);
    expect(second.headers).not.toHaveProperty("set-cookie");
  });

  test("lets one in of two who come at once", async () => {
    const token = await issueEntry("access", { role: "instructor" });
    const visitors = await Promise.all([takeEntry("access", token), takeEntry("access", token)]);
    expect(visitors.filter((visitor) => visitor !== undefined)).toHaveLength(1);
  });

  test.each(["", "?token=", "?token=../../x", `?token=${"a".repeat(43)}`])("/enter%s lets nobody in", async (query) =>
    expect((await ask("GET", `/enter${query}`)).status).toBe(403),
  );
});

describe("a session", () => {
  test("survives a restart of the dashboard, but not its end, and is on disk as a hash", async () => {
    await mkdir(cohortPaths("kept").root, { recursive: true });
    const before = await Sessions.ofCohort("kept");
    const [mine, other] = [await before.open({ role: "instructor" }), await before.open({ role: "learner", learner: "ada" })];
    await before.close(other);
    const after = await Sessions.ofCohort("kept");
    expect([after.of(mine)?.visitor, after.of(other)?.visitor, after.of("x")?.visitor, after.of(undefined)?.visitor]).toEqual([
      { role: "instructor" },
      undefined,
      undefined,
      undefined,
    ]);
    expect(await readFile(join(dashboardFolder("kept"), "sessions.json"), "utf8")).not.toContain(mine);
  });

  test("that has run out is none, and neither is a file of anything else", async () => {
    const file = join(dashboardFolder("kept"), "sessions.json");
    const sessions = await Sessions.ofCohort("kept");
    const cookie = await sessions.open({ role: "instructor" });
    const kept = JSON.parse(await readFile(file, "utf8")) as Record<string, { expiresAt: number }>;
    for (const session of Object.values(kept)) session.expiresAt = Date.now() - 1;
    await writeFile(file, JSON.stringify(kept));
    expect((await Sessions.ofCohort("kept")).of(cookie)?.visitor).toBeUndefined();
    await writeFile(file, "{");
    expect((await Sessions.ofCohort("kept")).of(cookie)?.visitor).toBeUndefined();
  });

  test("does not bring a cohort back that was removed", async () => {
    const sessions = await Sessions.ofCohort("kept");
    await rm(cohortPaths("kept").root, { recursive: true });
    await sessions.open({ role: "instructor" });
    expect(existsSync(cohortPaths("kept").root)).toBe(false);
  });
});

describe("the note of where the dashboard listens", () => {
  test("leads to the one that runs, and to none once that was killed", async () => {
    await writeServer("noted", 7780);
    expect(await readServerPort("noted")).toBe(7780);
    expect(await entryLink("noted", { role: "learner", learner: "ada" })).toMatch(/^http:\/\/127\.0\.0\.1:7780\/enter\?token=/);
    const file = join(dashboardFolder("noted"), "server.json");
    const note = JSON.parse(await readFile(file, "utf8")) as { process: { startTime: string } };
    await writeFile(file, JSON.stringify({ ...note, process: { ...note.process, startTime: "1" } }));
    expect(await readServerPort("noted")).toBeUndefined();
    expect(await entryLink("noted", { role: "learner", learner: "ada" })).toBeUndefined();
    await writeFile(file, JSON.stringify({ port: 7780 }));
    expect(await readServerPort("noted")).toBeUndefined();
    await removeServer("noted");
    expect(await readServerPort("noted")).toBeUndefined();
  });
});

describe("a name that is not the dashboard's own", () => {
  test.each(["attacker.example", "127.0.0.1", "localhost:1", "[::1]:80"])("%j is refused, even with a cookie", async (host) => {
    const cookie = await instructor();
    const { status, body } = await ask("GET", "/", { host, cookie });
    expect(status).toBe(421);
    expect(body).not.toContain("Lovelace");
  });

  test("is refused before a link is used up", async () => {
    const link = new URL(await dashboard.entry({ role: "instructor" }));
    expect((await ask("GET", link.pathname + link.search, { host: "attacker.example" })).status).toBe(421);
    expect((await ask("GET", link.pathname + link.search)).status).toBe(200);
  });
});

describe("what changes something", () => {
  test.each([undefined, "null", "http://attacker.example", "http://localhost", "https://127.0.0.1"])(
    "is refused with the Origin %s",
    async (origin) => {
      const cookie = await instructor();
      expect((await ask("POST", "/learners/ada/pause", { cookie, ...(origin !== undefined && { origin }) })).status).toBe(403);
      expect(cohort.acts).toEqual([]);
    },
  );

  test("is done for a page of its own", async () => {
    const cookie = await instructor();
    for (const kind of ["verify", "evidence", "pause", "resume", "reset"]) {
      const { status, headers } = await ask("POST", `/learners/ada/${kind}`, { cookie, origin: dashboard.origin });
      expect([status, headers["location"]]).toEqual([303, "/learners/ada"]);
    }
    expect(cohort.acts.map(({ learner: id, action }) => `${id} ${action.kind}`)).toEqual([
      "ada verify",
      "ada evidence",
      "ada pause",
      "ada resume",
      "ada reset",
    ]);
    cohort.acts.length = 0;
    expect((await ask("GET", "/learners/ada/pause", { cookie })).status).toBe(404);
    expect((await ask("POST", "/learners/eve/pause", { cookie, origin: dashboard.origin })).status).toBe(404);
    expect((await ask("POST", "/learners/ada/drill", { cookie, origin: dashboard.origin }, "drill=none-of-ours")).status).toBe(400);
    expect(cohort.acts).toEqual([]);
  });
});

describe("an instructor", () => {
  test.each(everything.filter((path) => path !== "/events"))("sees %s, under a policy without inline scripts", async (path) => {
    const { status, headers, body } = await ask("GET", path, { cookie: await instructor() });
    expect(status).toBe(200);
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none'/);
    expect(headers["content-security-policy"]).not.toMatch(/script-src[^;]*unsafe|https?:/);
    expect(headers["cache-control"]).toBe("no-store");
    expect(body).not.toMatch(/git-secret|registry-secret|<script>|onclick=/);
  });
});

describe("a learner", () => {
  test.each(everything.filter((path) => !["/", "/events"].includes(path)).flatMap((path) => [path, path.replace("ada", "grace")]))(
    "does not see %s",
    async (path) => {
      const { status, body } = await ask("GET", path, { cookie: await learner("grace") });
      expect(status).toBe(404);
      expect(body).not.toContain("Lovelace");
    },
  );

  test("sees what is theirs, and of others nothing", async () => {
    const cookie = await learner("grace");
    expect((await ask("GET", "/", { cookie })).headers["location"]).toBe("/me");
    for (const path of ["/me", "/me/live", "/me/quiz", "/me/handout"]) {
      const { status, body } = await ask("GET", path, { cookie });
      expect(status).toBe(200);
      expect(body).not.toMatch(/Lovelace|Dijkstra|git-secret|registry-secret/);
    }
    expect((await ask("GET", "/me", { cookie })).body).toContain("Grace Hopper");
    expect((await ask("GET", "/me/evidence/20261102T100000Z", { cookie })).status).toBe(404);
  });

  test("can do nothing with a lab but have it checked", async () => {
    const headers = { cookie: await learner("grace"), origin: dashboard.origin };
    for (const kind of ["verify", "evidence", "pause", "resume", "drill"])
      expect((await ask("POST", `/learners/grace/${kind}`, headers)).status).toBe(404);
    expect((await ask("POST", "/me/verify", headers)).status).toBe(303);
    expect(cohort.acts).toEqual([{ learner: "grace", action: { kind: "verify" } }]);
    cohort.acts.length = 0;
  });

  test("takes the quiz, which is graded here and says nothing of its key", async () => {
    const headers = { cookie: await learner("grace"), origin: dashboard.origin };
    const { body: form } = await ask("GET", "/me/quiz", headers);
    const { questions } = cohort.template.quiz;
    const right = questions.flatMap((question) =>
      question.kind === "choice" ? question.options.filter((option) => option.right).map(({ id }) => `q-${question.id}=${id}`) : [],
    );
    const { body } = await ask("POST", "/me/quiz", headers, right.join("&"));
    for (const { explanation } of questions) for (const page of [form, body]) expect(page).not.toContain(explanation);
    const points = questions.reduce((sum, question) => sum + (question.kind === "choice" ? question.points : 0), 0);
    expect(body).toContain(`${points} of `);
    expect(cohort.of("grace")?.attempts.at(-1)?.result.points).toBe(points);
    expect((await ask("POST", "/me/quiz", headers, `q-${questions.find(({ kind }) => kind === "choice")!.id}=none-of-ours`)).status).toBe(
      400,
    );
  });

  test("is told the symptom of a drill, not which one was started", async () => {
    const [drill] = cohort.template.drills;
    cohort.change("edsger", {
      drills: [drillRun({ drill: drill!.id })],
      job: { kind: "drill", what: `Start drill ${drill!.id}`, startedAt: new Date().toISOString(), state: "running" },
    });
    const { body } = await ask("GET", "/me", { cookie: await learner("edsger") });
    expect(body).toContain(drill!.briefing.split(/[`\n*.]/)[0]);
    expect(body).not.toContain(drill!.id);
  });

  test("hears of changes of their own lab alone", async () => {
    const cookie = await learner("grace");
    const heard = new Promise<string>((resolve, reject) => {
      const outgoing = request({ host: "127.0.0.1", port: dashboard.port, path: "/events", headers: { cookie } }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
          if (text.includes("event: hello") && !text.includes("changed")) ["ada", "grace"].forEach((id) => cohort.change(id, {}));
          if (!text.includes("event: changed")) return;
          outgoing.destroy();
          resolve(text);
        });
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
    expect(await heard).toMatch(/event: changed\ndata: grace/);
    expect(await heard).not.toContain("ada");
  });
});
