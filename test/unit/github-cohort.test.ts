import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writesOf } from "../../cli/capacity/writes.ts";
import { handoutOf } from "../../lab-templates/handout/document.ts";
import { gitopsPromotion } from "../../lab-templates/gitops-promotion/template.ts";
import { LearnerOutputs } from "../../shared/outputs.ts";
import { paceShares, githubPace } from "../../shared/github/pace.ts";
import { parseCohortFile } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";

const example = readFileSync(join(import.meta.dirname, "../../examples/Pulumi.github.yaml"), "utf8");
type Cohort = { git: Record<string, unknown>; registry: Record<string, unknown>; learners: Record<string, unknown>[] };

/** The example after a change. */
function changed(change: (cohort: Cohort) => void): string {
  const file = parse(example) as { config: { "gitops-lab:cohort": Cohort } };
  change(file.config["gitops-lab:cohort"]);
  return stringify(file);
}
const load = (text: string) => parseCohortFile(text, "x.yaml");

describe("a cohort file with GitHub", () => {
  test("has what is not said set to what is safe", () => {
    expect(load(example)).toMatchObject({
      git: {
        kind: "github",
        organization: "example-course",
        url: "https://github.com",
        onTeardown: "archive",
        protect: true,
        hostKeys: [],
        pace: { perMinute: 60, perHour: 480 },
      },
      registry: { kind: "ghcr", url: "https://ghcr.io/example-course", username: "example-course-bot" },
    });
  });

  test("names each repository after the cohort and the learner, and knows each account", () => {
    const { learners } = planCohort("demo", load(example));
    expect(learners.map(({ git, learner }) => [git.repository, learner.github])).toEqual([
      ["demo-ada", "ada-lovelace"],
      ["demo-grace", "grace-hopper"],
    ]);
  });

  test.each<[string, (cohort: Cohort) => void, string]>([
    [
      "a learner without an account",
      ({ learners }) => delete learners[1]!["github"],
      '`learners[1].github` is missing; learner "grace" needs the name of a GitHub account',
    ],
    [
      "the embedded registry",
      (cohort) => (cohort.registry = { kind: "embedded" }),
      "`registry.kind` is embedded, and the workflows that GitHub runs do not reach this machine; allowed with `git.kind: github`: oci, ghcr",
    ],
    ["no organization", ({ git }) => delete git["organization"], "`git.organization` is missing; it must be a string"],
    ["a server in clear text", ({ git }) => (git["url"] = "http://github.example.org"), "`git.url` must begin with https://"],
    ["more than GitHub allows a minute", ({ git }) => (git["pace"] = { perMinute: 80 }), "`git.pace.perMinute` must be below 80"],
    ["more than GitHub allows an hour", ({ git }) => (git["pace"] = { perHour: 500 }), "`git.pace.perHour` must be below 500"],
    ["a field that is none", ({ git }) => (git["token"] = "x"), "`git` has unknown field `token`"],
    ["something else at the end", ({ git }) => (git["onTeardown"] = "keep"), '`git.onTeardown` is "keep"; allowed: archive, delete'],
    [
      "a registry in clear text",
      (cohort) => (cohort.registry = { kind: "oci", url: "http://registry.example.org", username: "lab" }),
      "`registry.url` must begin with https://",
    ],
    [
      "a registry without a user",
      (cohort) => (cohort.registry = { kind: "oci", url: "https://registry.example.org" }),
      "`registry.username` is missing",
    ],
  ])("is refused with %s", (_, change, sentence) => {
    expect(() => load(changed(change))).toThrow(
      expect.objectContaining({ code: "cohort-invalid", exitCode: 2, message: expect.stringContaining(sentence) }),
    );
  });

  test("may have a server of one's own that allows more", () => {
    expect(
      load(changed(({ git }) => Object.assign(git, { url: "https://github.example.org", pace: { perMinute: 600, perHour: 9000 } }))).git,
    ).toMatchObject({ pace: { perMinute: 600 } });
  });
});

describe("what the plan says of GitHub", () => {
  const cohort = (learners: number, change: (cohort: Cohort) => void = () => {}) => {
    const text = changed((one) => {
      one.learners = Array.from({ length: learners }, (_, index) => ({
        id: `l${index}`,
        name: "L",
        email: `l${index}@example.org`,
        github: `l${index}`,
      }));
      change(one);
    });
    return planCohort("demo", load(text));
  };
  test.each([
    [1, "fallback", 9, 8],
    [30, "fallback", 270, 269],
    // More than an hour allows: the rest waits for the hour to pass.
    [60, "fallback", 540, 3600 + 59],
    [30, "official", 270, 280],
    [60, "official", 540, 4200],
  ] as const)("for %i learners and the %s plugin is %i writes in about %i seconds", (learners, implementation, writes, seconds) => {
    expect(writesOf(cohort(learners), { implementation })).toMatchObject({ writesPerLearner: 9, writes, seconds });
  });

  test("counts rulesets and a registry's secrets where there are any", () => {
    expect(writesOf(cohort(1, ({ git }) => (git["protect"] = false)))?.writesPerLearner).toBe(7);
    expect(
      writesOf(cohort(1, (one) => (one.registry = { kind: "oci", url: "https://registry.example.org", username: "lab" })))
        ?.writesPerLearner,
    ).toBe(11);
  });

  test("is nothing for another Git host", () => expect(writesOf({ ...cohort(1), git: { kind: "embedded" } })).toBeUndefined());

  test.each([0, 100, 360, 361, 5000])("leaves both together below GitHub's limits, with %i writes of the official plugin", (writes) => {
    const { pace, writeDelayMs } = paceShares(githubPace, "official", writes);
    expect(pace.perMinute + 60_000 / writeDelayMs).toBeLessThan(80);
    expect(pace.perHour + Math.min(writes, 3_600_000 / writeDelayMs)).toBeLessThan(500);
  });
});

test("a learner with an account of their own is told so in the handout, and of no shared credential", () => {
  const learner = LearnerOutputs.parse({
    id: "ada",
    name: "Ada",
    email: "ada@example.org",
    cluster: { kind: "embedded", id: "1", apiServer: "https://127.0.0.1:1", nodes: "simulated", kubeconfig: "", adminKubeconfig: "" },
    git: {
      kind: "github",
      url: "https://github.com/course/demo-ada.git",
      branch: "main",
      username: "ada-l",
      password: "",
      seedCommit: "1",
    },
    registry: {
      kind: "ghcr",
      repository: "ghcr.io/course/demo-ada/backend",
      insecure: false,
      shared: true,
      username: "bot",
      password: "the-cohorts-own",
    },
    flux: { version: "v2", controllers: "host-process" },
    environments: [],
    rollbackSha: "1",
    evidenceCommands: [],
  });
  const page = handoutOf({ course: "C", cohort: "demo", simulated: [] }, learner, gitopsPromotion);
  expect(page).toContain("your account ada-l; accept its invitation first");
  expect(page).not.toContain("git-credentials");
  expect(page).not.toContain("registry/config.json");
  expect(page).toMatch(/git clone\s+-c user\.name=Ada/);
});
