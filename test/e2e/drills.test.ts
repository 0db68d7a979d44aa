import { mkdtemp, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pLimit from "p-limit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { drillCohort, type DrillAction } from "../../cli/commands/drill.ts";
import { verifyCohort } from "../../cli/commands/verify.ts";
import { readRuns, runningOf } from "../../records/drills.ts";
import { withWorkbench } from "../../host/workbench/workbench.ts";
import { drills } from "../../lab-templates/gitops-promotion/drills/drills.ts";
import type { Backstage } from "../../lab-templates/workbench.ts";
import { environments } from "../../shared/names.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { desiredImage } from "../../verification/desired-image.ts";
import { imageChanges } from "../../verification/held-rollback.ts";
import { TestCohort } from "../support/lab-cli.ts";

/*
 * Every drill on a real lab, on real nodes where the machine allows it: started, found unsolved, solved, found solved, reset, and the lab is as before. Two learners, so
 * that one's waiting is the other's time; a learner's drills follow one another, and each begins with what the reset of the
 * one before left. What `./lab drill` does is called in this process, since reading the stack's outputs takes longer than most
 * checks; one drill goes through the command itself.
 */
let home: string;
let cohort: TestCohort;
let outputs: CohortOutputs;
const learners = ["ada", "grace"] as const;
const turns = { ada: pLimit(1), grace: pLimit(1) };
const earlierHome = process.env["GITOPS_LAB_HOME"];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-e2e-"));
  cohort = new TestCohort(`drills-${process.pid}`, join(home, "lab"), learners, { interval: "5s" }, { kind: "embedded", nodes: "auto" });
  process.env["GITOPS_LAB_HOME"] = cohort.home;
  await cohort.writeFile();
  const up = await cohort.lab("up", cohort.name);
  expect(up.exitCode, up.stderr).toBe(0);
  outputs = await cohort.outputs();
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
}, 360_000);

afterAll(async () => {
  await cohort.takeAway(home);
  if (earlierHome === undefined) delete process.env["GITOPS_LAB_HOME"];
  else process.env["GITOPS_LAB_HOME"] = earlierHome;
}, 120_000);

/** One learner's lab. */
function labOf(id: (typeof learners)[number]) {
  const learner = outputs.learners[id]!;
  const drill = (action: DrillAction, name: string) => drillCohort(outputs, action, name, id, false);
  const bench = <T>(use: (bench: Backstage) => Promise<T>) => withWorkbench(cohort.name, learner, environments, use);
  /** The exit code of a check, and what it said. */
  const check = async (name: string) => {
    const exitCode = await drill("check", name);
    return { exitCode, says: runningOf(await readRuns(cohort.name, id))?.checks.at(-1)?.says ?? "" };
  };
  return {
    drill,
    bench,
    check,
    verify: () => verifyCohort(outputs, { json: true, learner: id }),
    awaitSolved: (name: string) =>
      waitUntil(
        async () => {
          const { exitCode, says } = await check(name);
          return exitCode === 0 ? { done: true, value: undefined } : { done: false, because: says };
        },
        { what: `the drill ${name} to pass`, timeoutSeconds: 90, intervalMs: 500, remedy: "" },
      ),
    /** One drill that fails must not fail those after it. */
    async tidy() {
      const left = runningOf(await readRuns(cohort.name, id));
      if (left !== undefined) await drill("reset", left.drill);
    },
    /** What a reset must bring back: tags, files, and which commit would be reverted to which image. */
    state: () =>
      bench(async (stage) => ({
        tags: Object.fromEntries(await stage.tags()),
        rest: await stage.observe(async ({ git, learner: { registry } }) => {
          const head = await git.head();
          const images = await Promise.all(environments.map((environment) => desiredImage(git, head, environment, registry.repository)));
          const [latest] = await imageChanges(git, "production", registry.repository);
          return {
            images,
            from: latest?.from,
            to: latest?.to,
            automation: await git.readFile(head, "flux/apps/backend/production/image-automation.yaml"),
          };
        }),
      })),
  };
}

/** What a learner in a hurry tries first, and the reason that the check gives for not taking it. */
const wrongRepairs: Readonly<Record<string, { readonly tries: (stage: Backstage) => Promise<unknown>; readonly says: RegExp }>> = {
  "bad-image": {
    // The gate takes a revert without a new version for what it is: an app that was built before.
    tries: (stage) =>
      stage.commit("Take it back", async (files) => {
        await files.remove("app/region.go");
        await files.write("app/VERSION", "0.2.0\n");
      }),
    says: /Git sets develop-v0\.\d+\.99-.*, the image that crashes/,
  },
  "loosened-regex": {
    tries: (stage) =>
      stage.commit("Anchor it", async (files) => {
        const path = "flux/apps/backend/production/image-policy.yaml";
        await files.write(path, (await files.read(path))!.replace("'v[0-9]", "'^production-v[0-9]"));
      }),
    says: /the end is not anchored/,
  },
  "manual-drift": {
    tries: async (stage) => {
      const image = await stage.observe(async ({ git, learner: { registry } }) =>
        desiredImage(git, await git.head(), "production", registry.repository),
      );
      await stage.kubectl(
        "set",
        "image",
        "deployment/backend",
        "-n",
        "production",
        `backend=${image?.repository}:${image?.tag}@${image?.digest}`,
      );
    },
    says: /apps-production is suspended[^]*set by kubectl-set/,
  },
  "fought-revert": {
    tries: async (stage) => {
      const newest = await stage.observe(
        async ({ git, learner: { registry } }) => (await imageChanges(git, "production", registry.repository))[0],
      );
      await stage.revert(newest!.commit);
    },
    says: /pushes straight to main/,
  },
};

test.concurrent.each(drills.map(({ id }, index) => [id, learners[index % 2]!] as const))(
  "%s (%s) begins unsolved, can be solved, and leaves nothing after its reset",
  { timeout: 900_000 },
  async (id, learner) => {
    const lab = labOf(learner);
    await turns[learner](async () => {
      await lab.tidy();
      const before = await lab.state();
      expect(await lab.drill("start", id)).toBe(0);
      // No learner's fault while the Git server is away: then there is no verdict.
      expect(await lab.check(id)).toMatchObject({ exitCode: id === "git-outage" ? 3 : 1 });

      const wrong = wrongRepairs[id];
      if (wrong !== undefined) {
        await lab.bench(wrong.tries);
        expect(await lab.check(id)).toMatchObject({ exitCode: 1, says: expect.stringMatching(wrong.says) });
      }
      expect(await lab.drill("solve", id)).toBe(0);
      await lab.awaitSolved(id);

      expect(await lab.drill("reset", id)).toBe(0);
      expect(await lab.verify()).toBe(0);
      expect(await lab.state()).toEqual(before);
    });
  },
);

describe("./lab drill", () => {
  test("runs one drill at a time, counts hints, and brings back an unsolved lab", { timeout: 180_000 }, async () => {
    await labOf("ada").tidy();
    const lab = (...args: string[]) => cohort.lab("drill", ...args, "--cohort", cohort.name);
    expect(await lab("check", "mutable-tag", "ada")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("./lab drill start mutable-tag ada"),
    });
    expect(await lab("start", "mutable-tag", "ada")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("A scan of the registry reports"),
    });
    expect(await lab("start", "bad-image", "ada")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("./lab drill reset mutable-tag ada"),
    });
    expect(await lab("hint", "mutable-tag", "ada")).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("Hint 1 of 3") });
    const asked = await lab("check", "mutable-tag", "ada", "--json");
    expect({ exitCode: asked.exitCode, verdict: JSON.parse(asked.stdout).verdict }).toEqual({ exitCode: 1, verdict: "fail" });
    expect(await lab("reset", "mutable-tag", "ada")).toMatchObject({ exitCode: 0 });
    expect(await labOf("ada").verify()).toBe(0);

    const file = join(cohortPaths(cohort.name, cohort.home).learner("ada").root, "drills", "runs.json");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const { runs } = JSON.parse(await readFile(file, "utf8")) as {
      runs: { drill: string; hints: string[]; checks: { status: string }[]; solvedAt?: string; resetAt?: string }[];
    };
    expect(runs.at(-1)).toMatchObject({
      drill: "mutable-tag",
      hints: [expect.any(String)],
      checks: [{ status: "fail" }],
      resetAt: expect.any(String),
    });
    expect(runs.at(-1)?.solvedAt).toBeUndefined();
    expect(runs.filter(({ solvedAt }) => solvedAt !== undefined).map((run) => run.drill)).toEqual(
      drills.map(({ id }) => id).filter((_, index) => index % 2 === 0),
    );
  });
});
