import { readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { keepingCohortFile, projectFolder } from "../../cli/cohort-file.ts";
import { LabError } from "../../shared/errors.ts";
import { parseCohortFile, parseCohortName } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";

const valid = `
config:
  gitops-lab:cohort:
    course: A course
    learners:
      - { id: ada, name: Ada, email: ada@example.org }
      - { id: bob, name: Bob, email: bob@example.org }
`;

/** The message that a file with one part replaced gives. */
function refusal(part: string | RegExp, by: string): string {
  expect(valid).toMatch(part);
  return refusalOf(valid.replace(part, by));
}

function refusalOf(text: string): string {
  try {
    parseCohortFile(text, "stacks/Pulumi.x.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(LabError);
    expect((error as LabError).exitCode).toBe(2);
    expect((error as LabError).message).not.toContain("\n");
    return (error as LabError).message;
  }
  throw new Error("the file was accepted");
}

describe("a cohort file", () => {
  test("needs only a course and learners", () => {
    const spec = parseCohortFile(valid, "x");
    expect(spec).toMatchObject({
      template: "gitops-promotion",
      ttl: "14d",
      cluster: { kind: "embedded", nodes: "simulated" },
      ports: { from: 20000, to: 29999 },
    });
  });

  test("that the project ships is valid", () => {
    expect(parseCohortFile(readFileSync(new URL("../../stacks/Pulumi.demo.yaml", import.meta.url), "utf8"), "demo").learners).toHaveLength(
      2,
    );
  });

  test.each([
    ["a duplicate learner", "id: bob", "id: ada", /`learners\[1\]\.id` "ada" is taken by learners\[0\]/],
    ["an id that is no DNS label", "id: ada", "id: Ada_L", /`learners\[0\]\.id` is "Ada_L"; it must be 1-30 characters of a-z/],
    ["an id that is too long", "id: ada", `id: ${"a".repeat(31)}`, /`learners\[0\]\.id`.*1-30 characters/],
    ["an id by which the cohort's own things go", "id: ada", "id: host", /`learners\[0\]\.id` must be another than cohort, host, lab/],
    ["no learner", /learners:[^]*$/, "learners: []\n", /`learners` must name at least one learner/],
    ["no learners field", /learners:[^]*$/, "", /`learners` is missing; it must be an array/],
    ["a missing course", "course: A course", "ttl: 2d", /`course` is missing; it must be a string/],
    ["a wrong type", "course: A course", "course: 7", /`course` is 7; it must be a string/],
    ["an unknown field", "course: A course", "course: A course\n    colour: red", /the cohort has unknown field `colour`/],
    [
      "an unknown cluster provider",
      "course: A course",
      "course: A course\n    cluster: { kind: vmware }",
      /`cluster\.kind` is "vmware"; allowed: embedded/,
    ],
    [
      "an unknown kind of nodes",
      "course: A course",
      "course: A course\n    cluster: { kind: embedded, nodes: kind }",
      /`cluster\.nodes` is "kind"; allowed: simulated, real, auto/,
    ],
    ["an unknown git host", "course: A course", "course: A course\n    git: { kind: svn }", /`git\.kind` is "svn"; allowed: embedded/],
    [
      "a wrong time to live",
      "course: A course",
      "course: A course\n    ttl: forever",
      /`ttl` is "forever"; it must be a number followed by h, d or w/,
    ],
    ["a bad e-mail address", "email: bob@example.org", "email: bob", /`learners\[1\]\.email` is "bob"; it must be an e-mail address/],
    [
      "a reversed port range",
      "course: A course",
      "course: A course\n    ports: { from: 3000, to: 2000 }",
      /`ports\.to` must not be smaller than `from`/,
    ],
  ])("with %s is refused by name", (_, part, by, message) => {
    expect(refusal(part, by)).toMatch(message);
  });

  test("with several faults names them all", () => {
    const message = refusalOf(valid.replace("id: ada", "id: A").replace("course: A course", "course: 1"));
    expect(message).toContain("`course`");
    expect(message).toContain("`learners[0].id`");
  });

  test("that is malformed names the line", () => {
    expect(refusalOf("config:\n  gitops-lab:cohort: {course: x\nmore: 1\n")).toMatch(/not valid YAML: .*line 3/);
  });

  test("without a cohort says so", () => {
    expect(refusalOf("config:\n  other: 1\n")).toMatch(/has no `config: gitops-lab:cohort:`/);
  });

  test("of an unknown template is refused with the known ones", () => {
    const spec = parseCohortFile(valid.replace("course: A course", "course: A course\n    template: unknown"), "x");
    expect(() => planCohort("x", spec)).toThrow(/unknown.*gitops-promotion/s);
  });
});

describe("a cohort's name", () => {
  test.each(["demo", "sre-2026"])("%s is fine", (name) => expect(parseCohortName(name)).toBe(name));
  test.each(["Demo", "../etc", "a b", ""])("%j is refused", (name) => expect(() => parseCohortName(name)).toThrow(/no name for a cohort/));
});

describe("a plan", () => {
  test("is the same for the same file", () => {
    const plan = () => planCohort("x", parseCohortFile(valid, "x"));
    expect(JSON.stringify(plan())).toBe(JSON.stringify(plan()));
    expect(plan().learners.map(({ learner }) => learner.id)).toEqual(["ada", "bob"]);
  });
});

describe("a cohort file through Pulumi's operations", () => {
  const cohort = `unit-salt-${process.pid}`;
  const file = join(projectFolder, "stacks", `Pulumi.${cohort}.yaml`);
  const salted = `encryptionsalt: v1:Zm9v:v1:YmFy\n${valid.trimStart()}`;
  const read = () => readFile(file, "utf8");
  afterAll(() => rm(file, { force: true }));

  test("loses the salt that a killed run left, before the next one begins, and the one that this adds", async () => {
    await writeFile(file, salted);
    await keepingCohortFile(cohort, async () => {
      expect(await read()).toBe(valid.trimStart());
      await writeFile(file, salted);
    });
    expect(await read()).toBe(valid.trimStart());
  });

  test("keeps a salt that something in it is encrypted with", async () => {
    const secret = `${salted}  github:token:\n    secure: v1:abc\n`;
    await writeFile(file, secret);
    await keepingCohortFile(cohort, async () => expect(await read()).toBe(secret));
    expect(await read()).toBe(secret);
  });
});
