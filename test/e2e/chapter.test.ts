import { mkdtemp, readFile, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { withWorkbench } from "../../host/workbench/workbench.ts";
import { settled } from "../../lab-templates/gitops-promotion/exercises/settled.ts";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import { policyLab } from "../../lab-templates/gitops-promotion/policy-lab.ts";
import { environments } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { run } from "../../shared/exec.ts";
import { cacheHome } from "../../shared/paths.ts";
import { lookAtRollback } from "../../verification/held-rollback.ts";
import { ImagePolicy, listLive } from "../../verification/live-objects.ts";
import { explainPolicy } from "../../verification/policy-explanation.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * The whole chapter for one learner, in a lab on the real engine, API server, Flux, Git and registry: nothing passes before
 * it is done, the reference solver does it all as a learner would, and then everything passes. Pods run for real where the
 * machine allows it. The tests build on each other.
 */
let home: string;
let cohort: TestCohort;
let learner: LearnerOutputs;

const minutes = 60_000;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-chapter-"));
  cohort = new TestCohort(
    `e2e-chapter-${process.pid}`,
    join(home, "lab"),
    ["ada"],
    { interval: "5s" },
    { kind: "embedded", nodes: "auto" },
  );
  await cohort.writeFile();
  succeeded(await cohort.lab("up", cohort.name));
  learner = (await cohort.outputs()).learners["ada"]!;
}, 4 * minutes);

afterAll(async () => {
  await cohort.takeAway(home);
}, 2 * minutes);

interface Reports {
  readonly learners: Record<
    string,
    { readonly reports: readonly { readonly id: string; readonly result: { readonly status: string; readonly observed?: string } }[] }
  >;
}

/** Status and observation of each exercise (or evidence item), by id. */
async function results(...command: string[]): Promise<Record<string, { readonly status: string; readonly observed?: string }>> {
  const { stdout, stderr } = await cohort.lab(...command, "ada", "--cohort", cohort.name, "--json");
  expect(stdout, stderr).not.toBe("");
  return Object.fromEntries((JSON.parse(stdout) as Reports).learners["ada"]!.reports.map(({ id, result }) => [id, result]));
}

const statuses = async (...command: string[]) =>
  Object.fromEntries(Object.entries(await results(...command)).map(([id, { status }]) => [id, status]));
const allPass = Object.fromEntries(template.evidence.map(({ id }) => [id, "pass"]));

const exercise = (...words: string[]) => cohort.lab("exercise", ...words, "ada", "--cohort", cohort.name);
const bench = <T>(use: Parameters<typeof withWorkbench<T>>[3]) => {
  process.env["GITOPS_LAB_HOME"] = cohort.home;
  return withWorkbench(cohort.name, learner, environments, use);
};

describe("the chapter", () => {
  test("is not passed by doing nothing", { timeout: minutes }, async () => {
    const seen = await results("exercise", "check");
    expect(Object.keys(seen)).toEqual(template.exercises.map(({ id }) => id));
    expect(seen).toMatchObject({
      "image-tracking": { status: "fail", observed: expect.stringContaining("`policies.production.tag` has no answer") },
      "policy-analysis": { status: "fail", observed: expect.stringContaining("Not applied yet") },
      rollback: { status: "fail", observed: expect.stringContaining("No commit reverts") },
      "git-only-promotion": { status: "fail", observed: expect.stringContaining("built nothing") },
    });
    expect((await exercise("check", "rollback")).exitCode).toBe(1);
  });

  test("is not passed by wrong answers", { timeout: minutes }, async () => {
    await bench((own) =>
      own.commit("Guess", async (files) => {
        const text = (await files.read("exercises/image-tracking.yaml")) ?? "";
        await files.write(
          "exercises/image-tracking.yaml",
          text
            .replace("tags-found: ''", "tags-found: 1")
            .replaceAll("namespace: ''", "namespace: flux-system")
            .replaceAll("tag: ''", `tag: ${learner.environments[0]!.tag}`),
        );
      }),
    );
    const { "image-tracking": seen } = await results("exercise", "check", "image-tracking");
    expect(seen).toMatchObject({ status: "fail" });
    for (const says of [
      "`repository.tags-found` is 1, which is not",
      "`policies.develop.namespace` is flux-system",
      "a tag of develop: the policy of production tracks no other family",
    ])
      expect(seen!.observed).toContain(says);
    expect(seen!.observed).not.toContain("`policies.develop.tag`");
  });

  test("gives one hint after the other and remembers that", { timeout: minutes }, async () => {
    expect(succeeded(await exercise("hint", "rollback")).stdout).toMatch(/^1\. .*$/);
    expect(succeeded(await exercise("hint", "rollback")).stdout).toMatch(/^1\. .*\n2\. .*$/);
    expect(succeeded(await exercise("list")).stdout).toMatch(/rollback +Perform a rollback: fail \S+, 2 of 3 hints\n/);
  });

  test("is passed by the reference solver up to a promotion, which leaves the evidence proved", { timeout: 4 * minutes }, async () => {
    for (const id of ["image-tracking", "policy-analysis", "git-only-promotion"]) succeeded(await exercise("solve", id));
    expect(await statuses("verify")).toEqual(allPass);
  });

  test("is passed whole after the rollback, by history", { timeout: 2 * minutes }, async () => {
    succeeded(await exercise("solve", "rollback"));
    expect(await statuses("exercise", "check")).toEqual(Object.fromEntries(template.exercises.map(({ id }) => [id, "pass"])));
    // Production has gone back and staging has not: that is what a rollback is for, and the promotion stays proved.
    expect(await statuses("verify")).toEqual(allPass);
    expect(succeeded(await cohort.lab("verify", "ada", "--cohort", cohort.name)).stdout).toContain("rolled back");
    expect(succeeded(await exercise("list")).stdout).toMatch(
      /rollback +Perform a rollback: passed \S+, 2 of 3 hints, solved by the reference solver\n/,
    );
  });

  test("stays passed when production is rolled forward again", { timeout: 2 * minutes }, async () => {
    await bench(async (own) => {
      const { revert } = await own.observe((context) => lookAtRollback(context, "production"));
      await own.revert(revert!.commit);
      await settled(own);
    });
    expect(await statuses("verify")).toEqual(allPass);
    expect(await statuses("exercise", "check")).toEqual(Object.fromEntries(template.exercises.map(({ id }) => [id, "pass"])));
  });

  test("has every policy of the policy lab explained as the controller decided", { timeout: minutes }, async () => {
    const policies = await bench((own) => own.observe(({ kube }) => listLive(kube, ImagePolicy, policyLab.namespace)));
    expect(policies.map(({ metadata }) => metadata.name).toSorted()).toEqual([...policyLab.variants].toSorted());
    for (const { metadata, spec, status } of policies) {
      const by = spec.policy.numerical ? "numerical" : "alphabetical";
      const explained = explainPolicy(spec.filterTags!.pattern, spec.filterTags!.extract, { by, order: "asc" }, policyLab.tags);
      expect(explained.selected, metadata.name).toBe(status.latestRef?.tag);
      expect(explained.failure === undefined, metadata.name).toBe(
        status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True"),
      );
    }
  });

  test("marks a wrong analysis and says why", { timeout: minutes }, async () => {
    await bench((own) =>
      own.commit("Answer otherwise", async (files) => {
        const text = (await files.read("exercises/policy-analysis.yaml")) ?? "";
        await files.write(
          "exercises/policy-analysis.yaml",
          text
            .replace(/(no-end:\n +selects: ).*/, "$1production-latest")
            .replace(/(hyphen-extract:\n +selects: ).*/, "$1production-v0.2.0-5eed003-1790000100")
            .replace(/(develop-v0.4.0-5eed001-1790000700: ).*/, (_, key: string) => `${key}'$'`),
        );
      }),
    );
    const { "policy-analysis": seen } = await results("exercise", "check", "policy-analysis");
    expect(seen!.status).toBe("fail");
    expect(seen!.observed!.split("\n")).toEqual([
      "`variants.no-end.selects` is production-latest: production-latest does not match the pattern.",
      expect.stringContaining("`variants.hyphen-extract.selects` is production-v0.2.0-5eed003-1790000100: it matches, but look at"),
      expect.stringContaining("`keeps-out.develop-v0.4.0-5eed001-1790000700` is $, but with `.*` in its place"),
    ]);
  });
});

describe("the handout", () => {
  test("gives access, and holds no credential in its pages", { timeout: minutes }, async () => {
    const folder = join(home, "a handout");
    succeeded(await cohort.lab("handout", "ada", "--cohort", cohort.name, "--out", folder));
    const mode = async (name: string) => (await stat(join(folder, name))).mode & 0o777;
    expect(await mode("")).toBe(0o700);
    for (const file of ["kubeconfig.yaml", "git-credentials", "registry/config.json"]) expect(await mode(file)).toBe(0o600);
    const pages = await Promise.all(["handout.md", "handout.html", "env.sh"].map((file) => readFile(join(folder, file), "utf8")));
    const secrets = [
      learner.git.password,
      learner.registry.password,
      ...Object.values(parse(learner.cluster.kubeconfig).users[0].user as Record<string, string>),
    ];
    for (const page of pages) for (const secret of [...secrets, homedir(), cohort.home, cacheHome()]) expect(page).not.toContain(secret);

    const clone = /```sh\n(git clone [^`]*)```/.exec(pages[0]!)![1]!;
    await writeFile(
      join(home, "work.sh"),
      `set -e\ncd '${folder}'\n. ./env.sh\nflux get kustomizations -n flux-system >&2\ncd '${home}'\n${clone}\ncrane ls --insecure ${learner.registry.repository}\n`,
    );
    const { stdout } = await run("bash", [join(home, "work.sh")], {
      env: { HOME: home, XDG_CACHE_HOME: dirname(cacheHome()), GIT_CONFIG_NOSYSTEM: "1" },
    });
    expect(stdout).toContain(learner.environments[0]!.tag);
    expect(await readFile(join(home, "gitops", "app", "VERSION"), "utf8")).toBe("0.3.0\n");
  });

  test("is not written over other files", { timeout: minutes }, async () => {
    expect(await cohort.lab("handout", "ada", "--cohort", cohort.name, "--out", home)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("holds other files"),
    });
  });
});
