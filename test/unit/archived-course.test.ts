import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readArchivedCourse } from "../../cli/course/archived-course.ts";
import { openArchive } from "../../cli/course/open-archive.ts";
import { archiveSource } from "../../dashboard/archive-source.ts";
import { Sessions } from "../../dashboard/sessions.ts";
import { gateOf } from "../../dashboard/gate.ts";
import { dashboardServer } from "../../dashboard/server.ts";
import { writeArchivedCourse } from "../support/archived-course.ts";
import { factsOf } from "../support/dashboard-cohort.ts";

let folder = "";
let file = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gitops-lab-test-"));
  file = join(folder, "spring.tar.gz");
  await writeArchivedCourse(file, "spring", 3);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const origin = "http://127.0.0.1:7780";

/** Asks a server that shows the archive, as somebody who has come in. */
async function ask(method: string, path: string): Promise<Response> {
  const sessions = new Sessions();
  const gate = gateOf(archiveSource(await readArchivedCourse(file, undefined)), sessions, async () => ({ role: "instructor" }));
  const app = dashboardServer(gate, { origins: () => ["http://127.0.0.1:7780"], instructor: true });
  const entered = await app.request(`${origin}/enter?token=x`, { headers: { host: "127.0.0.1:7780" } });
  const cookie = entered.headers.get("set-cookie")!.split(";")[0]!;
  return app.request(`${origin}${path}`, { method, headers: { host: "127.0.0.1:7780", cookie, origin, "content-length": "0" } });
}

describe("an archived course", () => {
  test("shows what was archived of each learner", async () => {
    const source = archiveSource(await readArchivedCourse(file, undefined));
    const [ada, grace] = [source.of("ada")!, source.of("grace")!];
    expect(source.facts().map(({ id }) => id)).toEqual(["ada", "grace", "edsger"]);
    expect(ada.branch?.commits.map(({ id }) => id)).toEqual(factsOf(0).branch!.commits.map(({ id }) => id));
    expect(ada.branch?.environments.map(({ image }) => image?.digest)).not.toContain(undefined);
    expect(ada.checklist?.reports).toHaveLength(4);
    expect(ada.attempts[0]?.result.percentage).toBe(73);
    expect(Object.keys(grace.exercises)).toEqual(Object.keys(factsOf(1).exercises));
    expect(await source.bundlePage("ada", "archived")).toContain("<!doctype html>");
    expect(await source.bundlePage("ada", "../x")).toBeUndefined();
    expect(() => source.act("ada", { kind: "reset" })).toThrow("can be looked at");
  });

  test("of the version before promotion states is valid and shown, its pages as they were", async () => {
    const old = new URL("../fixtures/archived-before-promotion-states.tar.gz", import.meta.url).pathname;
    expect((await openArchive(old, undefined)).problems).toEqual([]);
    const course = await readArchivedCourse(old, undefined);
    expect(course.learners[0]!.bundle).toMatchObject({ schemaVersion: 2, verdict: "pass" });
    const source = archiveSource(course);
    expect(source.of("ada")!.checklist).not.toHaveProperty("promotion");
    expect(await source.bundlePage("ada", "archived")).not.toContain("The promotion now");
  });

  test("shows what had become of the promotion", async () => {
    const source = archiveSource(await readArchivedCourse(file, undefined));
    expect(source.of("ada")!.checklist?.promotion).toMatchObject({ state: "promoted" });
    expect(await source.bundlePage("ada", "archived")).toContain("The promotion now");
  });

  test("is not shown when it was changed, or signed by another key", async () => {
    const content = await readFile(file);
    content[content.length >> 1]! ^= 1;
    const changed = join(folder, "changed.tar.gz");
    await writeFile(changed, content);
    await expect(readArchivedCourse(changed, undefined)).rejects.toThrow(/archive/);
    await expect(readArchivedCourse(file, `sha256:${"0".repeat(64)}`)).rejects.toMatchObject({ code: "archive-invalid" });
    await expect(readArchivedCourse(join(folder, "none"), undefined)).rejects.toMatchObject({ exitCode: 2 });
  });

  test("can be looked at, and not changed", async () => {
    for (const path of ["/", "/summary", "/learners/ada", "/learners/ada/evidence/archived"])
      expect((await ask("GET", path)).status, path).toBe(200);
    const page = await (await ask("GET", "/learners/ada")).text();
    expect(page).toContain("This course is over");
    expect(page).not.toMatch(/do-verify|do-drill|live\.js|\/reset|\/handout/);
    for (const kind of ["verify", "evidence", "pause", "resume", "reset", "drill"])
      expect((await ask("POST", `/learners/ada/${kind}`)).status, kind).toBe(405);
    expect((await ask("GET", "/learners/ada/handout")).status).toBe(400);
    expect((await ask("GET", "/learners/ada/reset")).status).toBe(404);
  });
});
