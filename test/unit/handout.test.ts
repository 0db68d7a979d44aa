import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { hintOf, listOf, solvingOrder } from "../../cli/commands/exercise.ts";
import { changeRecord, readRecords } from "../../records/exercises.ts";
import { handoutOf, shellWord } from "../../lab-templates/handout/document.ts";
import { renderPage } from "../../lab-templates/handout/html.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { useLabHome } from "../support/lab-home.ts";
import { LabState } from "../support/lab-state.ts";
import { copyOf } from "../../shared/state-file.ts";

useLabHome();

const template = labTemplate("gitops-promotion");
const learner: LearnerOutputs = {
  ...new LabState().learner,
  name: "Ada <script>alert(1)</script> `x` O'Neill",
  evidenceCommands: [{ item: "Flux reconcile success", command: "flux get kustomizations -n flux-system" }],
};
const page = handoutOf({ course: "A | course", cohort: "demo", simulated: ["Pods are simulated."] }, learner, template);
const html = renderPage(page);

describe("the handout", () => {
  test("holds every exercise and the chapter's commands, and no credential", () => {
    for (const { title, instructions } of gitopsPromotion.exercises) {
      expect(page).toContain(`### ${title}\n\n${instructions}`);
    }
    for (const command of ["flux get kustomizations -n flux-system", "flux get images all -A", "flux get image policy -A", "git revert"])
      expect(page).toContain(command);
    for (const text of [page, html])
      for (const secret of [learner.git.password, learner.registry.password]) expect(text).not.toContain(secret);
  });

  test("shows no hint and no answer of the quiz", () => {
    for (const { hints } of gitopsPromotion.exercises) for (const hint of hints) expect(page).not.toContain(hint);
    for (const { explanation, prompt } of gitopsPromotion.quiz.questions)
      for (const text of [explanation, prompt]) expect(page).not.toContain(text);
  });

  test("is a page that runs nothing and fetches nothing, whatever the learner's name", () => {
    expect(html).toContain("Ada &lt;script&gt;alert(1)&lt;/script&gt; `x` O&#39;Neill");
    expect(html).not.toMatch(/<script|<link|<img|<iframe|src=|@import|url\(/i);
    expect(html).toContain("default-src 'none'");
  });

  test("is rendered whole: every command of the Markdown is code, nothing of its marks is left", () => {
    const code = [...page.matchAll(/```sh\n([^`]*)```/g)].map(([, text]) => text!);
    expect(code.length).toBeGreaterThan(5);
    expect([...html.matchAll(/<pre /g)]).toHaveLength([...page.matchAll(/```sh/g)].length);
    expect(html).not.toMatch(/```|\*\*|\| ---/);
    expect([...html.matchAll(/<ol>/g)]).toHaveLength(3);
  });

  test("says where the lab is not kept apart, and nothing of it where it is", () => {
    const bare: LearnerOutputs = { ...learner, isolation: "none", cluster: { ...learner.cluster, kind: "embedded" } };
    const told = handoutOf({ course: "A course", cohort: "demo", simulated: [] }, bare, template);
    expect(told).toContain("## No room of your own\n\nThis lab is not kept apart from the machine it runs on");
    for (const one of [page, handoutOf({ course: "A course", cohort: "demo", simulated: [] }, { ...bare, isolation: "room" }, template)])
      expect(one).not.toMatch(/no room/i);
  });

  test("quotes what goes to a shell", () => {
    expect(page).toContain(String.raw`-c 'user.name=Ada <script>alert(1)</script> ` + "`x`" + String.raw` O'\''Neill'`);
    expect(shellWord("user.email=ada@example.org")).toBe("user.email=ada@example.org");
  });
});

describe("the records of exercises", () => {
  let printed = "";
  beforeEach(() => {
    printed = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  });
  afterEach(() => vi.restoreAllMocks());
  const outputsOf = (cohort: string) =>
    ({ cohort, template: "gitops-promotion", learners: { ada: { id: "ada", name: "Ada" } } }) as unknown as CohortOutputs;
  const [{ id, hints }] = gitopsPromotion.exercises as [(typeof gitopsPromotion.exercises)[number]];

  test("keep hints and checks for the instructor alone, and a pass stands", async () => {
    for (const _ of [...hints, "one too many"]) await hintOf(outputsOf("kept"), id, "ada", { json: true });
    expect((await readRecords("kept", "ada"))[id]!.hints).toHaveLength(hints.length);
    for (const status of ["fail", "pass", "error"] as const) {
      await changeRecord("kept", "ada", id, (record) => ({
        ...record,
        checks: [...record.checks, { time: `2026-11-02T10:0${status.length}:00Z`, status, says: "x" }],
      }));
    }
    printed = "";
    expect(await listOf(outputsOf("kept"), undefined, { json: false })).toBe(ExitCode.ok);
    expect(printed).toContain(`passed 2026-11-02T10:04:00Z, ${hints.length} of ${hints.length} hints`);
    expect((await stat(join(cohortPaths("kept").learner("ada").root, "exercises", "records.json"))).mode & 0o777).toBe(0o600);
  });

  test("are not lost when two are made at once", async () => {
    const times = Array.from({ length: 8 }, (_, index) => `2026-11-02T10:00:0${index}Z`);
    await Promise.all(times.map((time) => changeRecord("crowd", "ada", id, (record) => ({ ...record, solved: [...record.solved, time] }))));
    expect((await readRecords("crowd", "ada"))[id]!.solved.toSorted()).toEqual(times);
  });

  test("of another form are named and kept", async () => {
    await hintOf(outputsOf("broken"), id, "ada", { json: true });
    const file = join(cohortPaths("broken").learner("ada").root, "exercises", "records.json");
    for (const one of [file, copyOf(file)]) await writeFile(one, "{}");
    await expect(hintOf(outputsOf("broken"), id, "ada", { json: true })).rejects.toMatchObject({
      code: "records-unreadable",
      message: expect.stringContaining(file),
    });
    expect(await readFile(file, "utf8")).toBe("{}");
  });

  test("are of known exercises and learners", async () => {
    await expect(hintOf(outputsOf("known"), "none", "ada", { json: true })).rejects.toMatchObject({
      code: "exercise-unknown",
      exitCode: ExitCode.badInput,
    });
    await expect(hintOf(outputsOf("known"), id, "bob", { json: true })).rejects.toMatchObject({ code: "learner-unknown" });
  });
});

test("a rollback is solved last", () =>
  expect(solvingOrder(gitopsPromotion.exercises).map(({ id }) => id)).toEqual([
    "image-tracking",
    "policy-analysis",
    "git-only-promotion",
    "rollback",
  ]));
