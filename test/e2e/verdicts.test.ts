import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { issueCredential } from "../../host/access.ts";
import { withWorkbench } from "../../host/workbench/workbench.ts";
import { gitOnlyPromotion } from "../../lab-templates/gitops-promotion/exercises/git-only-promotion.ts";
import { settled } from "../../lab-templates/gitops-promotion/exercises/settled.ts";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import type { Backstage } from "../../lab-templates/workbench.ts";
import { run } from "../../shared/exec.ts";
import { environments, fluxNamespace, resetUsername } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { backendDeployment } from "../../verification/backend-deployment.ts";
import { EvidenceBundle, type PromotionState } from "../../verification/bundle/schema.ts";
import { desiredImage, overlayPath } from "../../verification/desired-image.ts";
import { gitCredentials, gitEnvironment } from "../../verification/git-reader.ts";
import { imageChanges } from "../../verification/held-rollback.ts";
import { formatImage } from "../../verification/image-reference.ts";
import { recordPath } from "../../verification/promotion-record.ts";
import { lookAtRollout } from "../../verification/rollout.ts";
import { observe } from "../../verification/verify.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * The table of docs/evidence.md on a live lab, a test for each row: one lab goes through all of them. What the verdict says is
 * held against Git and the API server, read beside it.
 */
let home: string;
let cohort: TestCohort;
let learner: LearnerOutputs;
/** What brought production its image at hand-over. */
let first: Awaited<ReturnType<typeof latest>>;

const minutes = 60_000;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-verdict-"));
  cohort = new TestCohort(`e2e-verdict-${process.pid}`, join(home, "lab"), ["ada"], { interval: "25s" });
  await cohort.writeFile();
  succeeded(await cohort.lab("up", cohort.name));
  learner = (await cohort.outputs()).learners["ada"]!;
  first = await latest();
}, 6 * minutes);

afterAll(async () => {
  await cohort.takeAway(home);
}, 2 * minutes);

interface Verified {
  readonly exitCode: number;
  readonly verdict: string;
  readonly promotion: PromotionState;
  /** Statuses in the order of the checklist. */
  readonly items: readonly string[];
  readonly hints: string;
}

const allPass = ["pass", "pass", "pass", "pass"];

async function verify(): Promise<Verified> {
  const { exitCode, stdout, stderr } = await cohort.lab("verify", "ada", "--cohort", cohort.name, "--json");
  expect(stdout, stderr).not.toBe("");
  const { verdict, promotion, reports } = JSON.parse(stdout).learners["ada"];
  expect(promotion, JSON.stringify(promotion)).toMatchObject({ status: "observed" });
  return {
    exitCode,
    verdict,
    promotion: promotion.value,
    items: reports.map((report: { result: { status: string } }) => report.result.status),
    hints: JSON.stringify(reports),
  };
}

const bench = <T>(use: (bench: Backstage) => Promise<T>) => {
  process.env["GITOPS_LAB_HOME"] = cohort.home;
  return withWorkbench(cohort.name, learner, environments, use);
};

/** What Git and the API server say themselves. */
const truth = () =>
  observe(learner, environments, async ({ kube, git, learner: { registry } }) => {
    const [image, deployment] = await Promise.all([
      desiredImage(git, await git.head(), "production", registry.repository),
      backendDeployment(kube, "production", registry.repository),
    ]);
    return { asked: image && formatImage(image), deployed: deployment && formatImage(deployment.image) };
  });

const latest = () =>
  observe(learner, environments, async ({ git }) => (await imageChanges(git, "production", learner.registry.repository))[0]!);
const latestTag = async () => (await latest()).to.tag;
const up = () => cohort.lab("up", cohort.name);
const suspend = (own: Backstage, kind: string, name: string, namespace: string, to: boolean) =>
  own.adminKubectl([
    "patch",
    kind,
    name,
    "-n",
    namespace,
    "--type=merge",
    "--field-manager=flux",
    "-p",
    JSON.stringify({ spec: { suspend: to } }),
  ]);
const setByHand = (own: Backstage, image: string) =>
  own.adminKubectl(["set", "image", "deployment/backend", "-n", "production", `*=${image}`]);

/** Pushes as the one whom the gate lets through, which is what a fault of the gate would come to. */
async function pushPastTheGate(message: string, change: (work: string) => Promise<void>): Promise<string> {
  process.env["GITOPS_LAB_HOME"] = cohort.home;
  const credential = await issueCredential(cohortPaths(cohort.name).learner("ada").access, "git", resetUsername("ada"), "write");
  const work = join(home, `past-${Date.now()}`);
  const env = { ...gitEnvironment(), ...gitCredentials({ url: learner.git.url, ...credential }) };
  const git = (...args: string[]) => run("git", args, { env, extendEnv: false });
  await git("clone", "--quiet", learner.git.url, work);
  await change(work);
  await git("-C", work, "commit", "--quiet", "--all", "--allow-empty", "--message", message);
  await git("-C", work, "push", "--quiet", "origin", "HEAD:refs/heads/main");
  return (await git("-C", work, "rev-parse", "HEAD")).stdout.trim();
}

let reverted: string;

describe("a promotion", () => {
  test("stands as handed over", { timeout: 3 * minutes }, async () => {
    expect(await verify()).toMatchObject({
      exitCode: 0,
      items: allPass,
      promotion: {
        state: "promoted",
        since: first.at!.toISOString(),
        promotion: { commit: learner.rollbackSha, from: first.from, to: first.to },
        asked: { image: first.to, commit: learner.rollbackSha },
        applied: true,
      },
    });
  });

  test("that was reverted is rolled back and waits, at once and without a failure", { timeout: 4 * minutes }, async () => {
    reverted = await bench((own) => own.revert(learner.rollbackSha));
    const seen = await verify();
    expect(seen).toMatchObject({
      exitCode: 0,
      items: allPass,
      promotion: {
        state: "rolled-back",
        promotion: { commit: learner.rollbackSha },
        asked: { image: first.from, commit: reverted },
        hold: { state: "waiting", neededSeconds: 50 },
      },
    });
    expect(Date.parse(seen.promotion.hold!.until) - Date.parse(seen.promotion.since!)).toBe(50_000);
    expect(seen.promotion.says).toMatch(/^production is rolled back .* waiting: it holds in \d+ s$/);
    expect(await truth()).toEqual({ asked: formatImage(first.from), deployed: formatImage(first.from) });
    const check = await cohort.lab("exercise", "check", "rollback", "ada", "--cohort", cohort.name, "--json");
    expect(JSON.parse(check.stdout).learners["ada"].reports[0].result).toMatchObject({
      status: "fail",
      waitUntil: seen.promotion.hold!.until,
    });
  });

  test("that was rolled back holds, and is no failure of any command", { timeout: 12 * minutes }, async () => {
    await expect.poll(async () => (await verify()).promotion.hold?.state, { timeout: 3 * minutes, interval: 2000 }).toBe("held");
    expect(await verify()).toMatchObject({ exitCode: 0, items: allPass, promotion: { state: "rolled-back" } });
    succeeded(await cohort.lab("exercise", "check", "rollback", "ada", "--cohort", cohort.name));
    succeeded(await up());
    const csv = succeeded(await cohort.lab("results", cohort.name, "--csv")).stdout;
    expect(csv).toMatch(/^ada,Learner ada,ada@example\.org,pass,"rolled back, held",2\d{3}-/m);
    const folder = join(home, "bundle");
    expect(succeeded(await cohort.lab("evidence", "ada", "--cohort", cohort.name, "--out", folder)).stdout).toMatch(
      /^verdict +pass\npromotion +production is rolled back/m,
    );
    expect(succeeded(await cohort.lab("evidence", "verify", folder)).stdout).toContain("production is rolled back");
    const archive = join(home, "course.tar.gz");
    succeeded(await cohort.lab("archive", cohort.name, "--out", archive));
    succeeded(await cohort.lab("archive", "verify", archive));
  });

  test("stands again after a revert of the revert", { timeout: 3 * minutes }, async () => {
    const forward = await bench((own) => own.revert(reverted));
    expect(await verify()).toMatchObject({
      exitCode: 0,
      items: allPass,
      promotion: {
        state: "promoted",
        promotion: { commit: learner.rollbackSha },
        asked: { image: first.to, commit: forward },
      },
    });
  });
});

describe("what is changed outside Git", () => {
  test("by kubectl is told with who did it, and fails", { timeout: 4 * minutes }, async () => {
    await bench((own) => setByHand(own, formatImage(first.from)));
    expect(await verify()).toMatchObject({
      exitCode: 1,
      items: ["pass", "fail", "fail", "fail"],
      promotion: {
        state: "changed-outside-git",
        asked: { image: first.to },
        outside: { image: first.from, by: ["kubectl-set"] },
      },
    });
    await bench(async (own) => {
      await own.flux("reconcile", "kustomization", "apps-production");
      await own.waitFor("production to run Git's image", async (context) =>
        (await lookAtRollout(context, "production")).digest === first.to.digest ? true : undefined,
      );
    });
    expect(await verify()).toMatchObject({ exitCode: 0, promotion: { state: "promoted" } });
  });

  test("with Flux kept off drifts until somebody lets Flux look, and `up` has no say in it", { timeout: 6 * minutes }, async () => {
    await bench(async (own) => {
      await suspend(own, "kustomization", "apps-production", fluxNamespace, true);
      await setByHand(own, formatImage(first.from));
    });
    expect(await verify()).toMatchObject({
      exitCode: 1,
      items: ["fail", "fail", "fail", "fail"],
      promotion: { state: "changed-outside-git" },
    });
    const told = succeeded(await up());
    expect(told.stdout).toContain("ada (Learner ada): fail");
    expect(told.stderr).toContain("The evidence of ada is not passed. That lab was handed over before this run");
    await bench(async (own) => {
      await own.flux("resume", "kustomization", "apps-production");
      await settled(own);
    });
    expect(await verify()).toMatchObject({ exitCode: 0, items: allPass, promotion: { state: "promoted" } });
  });

  test("is not what Git says while Flux is suspended", { timeout: 8 * minutes }, async () => {
    await bench((own) => suspend(own, "kustomization", "apps-production", fluxNamespace, true));
    expect(await verify()).toMatchObject({
      exitCode: 1,
      items: ["fail", "pass", "pass", "pass"],
      promotion: { state: "promoted", applied: true },
    });
    const back = await bench(async (own) => own.revert((await latest()).commit));
    expect(await verify()).toMatchObject({
      exitCode: 1,
      promotion: {
        state: "rolled-back",
        applied: false,
        hold: { state: "waiting" },
        says: expect.stringContaining("Flux has not applied it"),
      },
    });
    await bench(async (own) => {
      await own.flux("resume", "kustomization", "apps-production");
      await own.revert(back);
      await settled(own);
    });
    expect(await verify()).toMatchObject({ exitCode: 0, items: allPass, promotion: { state: "promoted" } });
  });
});

describe("the next promotion", () => {
  test("leaves the one before passed while staging is ahead", { timeout: 6 * minutes }, async () => {
    await bench(async (own) => {
      await own.commit("Ship 0.4.0", (files) => files.write("app/VERSION", "0.4.0\n"));
      const runs = (environment: "develop" | "staging") =>
        own.waitFor(
          `${environment} to run 0.4.0`,
          async (context) => {
            const image = (await backendDeployment(context.kube, environment, learner.registry.repository))?.image;
            const { digest } = await lookAtRollout(context, environment);
            return image?.tag?.includes("-v0.4.0-") && digest === image.digest ? image : undefined;
          },
          120,
        );
      const image = await runs("develop");
      await own.commit("Promote 0.4.0 to staging", (files) =>
        files.write(recordPath("staging"), `tag: ${image.tag}\ndigest: ${image.digest}\n`),
      );
      await runs("staging");
    });
    expect(await verify()).toMatchObject({
      exitCode: 0,
      items: allPass,
      promotion: { state: "promoted", promotion: { commit: learner.rollbackSha }, next: { isAsked: false } },
    });
  });

  test("is on its way from the push on, and then stands", { timeout: 6 * minutes }, async () => {
    const image = await observe(learner, environments, async ({ git }) =>
      desiredImage(git, await git.head(), "staging", learner.registry.repository),
    );
    await bench((own) =>
      own.commit("Promote 0.4.0 to production", (files) =>
        files.write(recordPath("production"), `tag: ${image!.tag}\ndigest: ${image!.digest}\n`),
      ),
    );
    expect(await verify()).toMatchObject({ exitCode: 0, verdict: "pass" });
    await expect.poll(latestTag, { timeout: 3 * minutes }).toMatch(/^production-v0\.4\.0-/);
    const { commit } = await latest();
    expect(await verify()).toMatchObject({ exitCode: 0, items: allPass, promotion: { state: "promoted", promotion: { commit } } });
    expect(template.exercises).toContain(gitOnlyPromotion);
  });
});

describe("an image that the registry does not have", () => {
  test("is never offered; what can be brought back is, and then holds", { timeout: 8 * minutes }, async () => {
    const gone = (await latest()).from;
    expect(gone, "this builds on the promotion before").not.toEqual(first.from);
    await bench((own) => own.untag(gone.tag!));
    const seen = await verify();
    expect(seen).toMatchObject({ exitCode: 1, items: ["pass", "pass", "pass", "fail"], promotion: { state: "promoted" } });
    expect(seen.hints).toContain(`the registry has no tag ${gone.tag} any more`);
    const [, commit] = /git checkout ([0-9a-f]{40}) -- flux\/apps\/backend\/production\/kustomization\.yaml/.exec(seen.hints)!;
    const back = await bench((own) =>
      own.commit(`Take production back to ${first.from.tag}`, async (files) => {
        const text = await own.observe(({ git }) => git.readFile(commit!, overlayPath("production")));
        await files.write(overlayPath("production"), text!);
      }),
    );
    expect(await verify()).toMatchObject({
      exitCode: 0,
      items: allPass,
      promotion: { state: "rolled-back", asked: { image: first.from, commit: back } },
    });
    await bench((own) => own.untag(first.from.tag!));
    expect(await verify()).toMatchObject({
      exitCode: 1,
      items: ["pass", "pass", "pass", "fail"],
      promotion: { state: "rolled-back" },
      hints: expect.stringContaining("Production is rolled back to an image that can't be started anew"),
    });
    await bench(async (own) => {
      await own.tag(first.from.digest!, first.from.tag!);
      await own.tag(gone.digest!, gone.tag!);
    });
    expect(await verify()).toMatchObject({ exitCode: 0, items: allPass });
  });

  test("of no promotion fails, whatever brought it", { timeout: 8 * minutes }, async () => {
    const digest = await bench((own) => own.buildImage("0.9.0", async () => {}));
    const tag = "production-v0.9.0-0000000-1768999999";
    const before = await truth();
    await bench((own) => own.tag(digest, tag));
    const by = await pushPastTheGate("Ship it", async (work) => {
      const path = join(work, overlayPath("production"));
      await run("sed", ["-i", "-e", `s/newTag: .*/newTag: ${tag}/`, "-e", `s/digest: .*/digest: ${digest}/`, path]);
    });
    expect(await verify()).toMatchObject({
      exitCode: 1,
      promotion: { state: "changed-without-promotion", asked: { commit: by } },
      hints: expect.stringContaining("neither the seed's nor built by the pipeline"),
    });
    await bench(async (own) => {
      await own.revert(by);
      await settled(own);
    });
    expect(await truth()).toEqual({ asked: before.asked, deployed: before.asked });
    expect(await verify()).toMatchObject({ exitCode: 0, items: allPass, promotion: { state: "rolled-back" } });
  });
});

describe("a lab", () => {
  test("that is paused is not looked at", { timeout: 6 * minutes }, async () => {
    succeeded(await cohort.lab("pause", "ada", "--cohort", cohort.name));
    expect(await cohort.lab("verify", "ada", "--cohort", cohort.name)).toMatchObject({
      exitCode: 3,
      stdout: expect.stringContaining("ada (Learner ada): paused"),
    });
    expect(succeeded(await cohort.lab("results", cohort.name)).stdout).toMatch(/^ada +Learner ada +paused +- /m);
    succeeded(await up());
    succeeded(await cohort.lab("resume", "ada", "--cohort", cohort.name));
    await bench((own) => settled(own));
    expect(await verify()).toMatchObject({ promotion: { state: "rolled-back" } });
  });

  test("that was reset begins with a promotion of its own", { timeout: 8 * minutes }, async () => {
    const begun = Date.now();
    succeeded(await cohort.lab("reset", "ada", "--cohort", cohort.name, "--out", join(home, "backup")));
    learner = (await cohort.outputs()).learners["ada"]!;
    const seen = await verify();
    expect(seen).toMatchObject({
      exitCode: 0,
      items: allPass,
      promotion: { state: "promoted", promotion: { commit: learner.rollbackSha } },
    });
    expect(Date.parse(seen.promotion.since!)).toBeGreaterThan(begun);
  });

  test("in which nothing was promoted yet says so", { timeout: 6 * minutes }, async () => {
    await bench(async (own) => {
      for (const environment of environments) await suspend(own, "imageupdateautomation", "backend", environment, true);
      await suspend(own, "kustomization", "image-automation", fluxNamespace, true);
    });
    const repository = join(cohortPaths(cohort.name, cohort.home).git, "ada", "gitops.git");
    await run("git", [`--git-dir=${repository}`, "update-ref", "refs/heads/main", learner.git.seedCommit]);
    await bench(async (own) => {
      await own.flux("reconcile", "source", "git", "flux-system");
      await own.waitFor("production to run the seed's image", async (context) =>
        (await lookAtRollout(context, "production")).digest === first.from.digest ? true : undefined,
      );
    });
    const seen = await verify();
    expect(seen.promotion).toMatchObject({ state: "none", says: expect.stringMatching(/^nothing was promoted to production yet/) });
    expect(seen.promotion.promotion).toBeUndefined();
    expect(seen).toMatchObject({ exitCode: 1, hints: expect.stringContaining("No commit changed production's image") });
  });
});

test("a bundle of the lab is in the form that is documented", async () => {
  const text = await readFile(join(home, "bundle", "evidence.json"), "utf8");
  expect(EvidenceBundle.parse(JSON.parse(text))).toMatchObject({ schemaVersion: 3, promotion: { status: "observed" } });
});
