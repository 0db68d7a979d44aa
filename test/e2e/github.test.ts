import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { githubWrites } from "../../shared/github/writes.ts";
import { startGithubFake, type GithubFake } from "../support/github-fake/fake.ts";
import { actionsRunner, type ActionsRunner } from "../support/github-fake/runner.ts";
import { TestCohort } from "../support/lab-cli.ts";

/**
 * A cohort whose Git host is GitHub, or rather a stand-in on this machine: its API, Git over HTTP and SSH, and its
 * workflows. All else is real: the engine, the cluster, Flux cloning and pushing by deploy key.
 */
const name = "e2e-github";
let folder: string;
let github: GithubFake;
let runner: ActionsRunner;
let cohort: TestCohort;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "e2e-github-"));
  await mkdir(join(folder, "home"));
  runner = actionsRunner(folder);
  github = await startGithubFake({ folder, onPushed: runner.onPushed });
  vi.stubEnv("GITHUB_TOKEN", github.state.token);
  cohort = new TestCohort(name, join(folder, "home"), []);
  await describeCohort();
});
afterAll(async () => {
  await cohort.lab("down", name);
  await cohort.removeFile();
  vi.unstubAllEnvs();
  await github.close();
  await rm(folder, { recursive: true, force: true });
});

/** Writes the cohort file. */
async function describeCohort(account: string | undefined = "ada-l"): Promise<void> {
  const learners = [{ id: "ada", name: "Ada", email: "ada@example.org", ...(account && { github: account }) }];
  const git = { kind: "github", organization: "course", url: github.url };
  const config = {
    "pulumi:disable-default-providers": ["kubernetes"],
    "gitops-lab:cohort": { course: "GitHub", parameters: { interval: "10s" }, git, learners },
  };
  await writeFile(join(import.meta.dirname, "..", "..", "stacks", `Pulumi.${name}.yaml`), stringify({ config }));
}

test("bad input creates nothing and names the learner", { timeout: 120_000 }, async () => {
  await describeCohort("");
  const { exitCode, stderr } = await cohort.lab("up", name);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('learner "ada" needs the name of a GitHub account')]);
  await describeCohort("nobody-at-all");
  const refused = await cohort.lab("up", name);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("There is no GitHub account nobody-at-all, which learner ada is said to have");
  expect(github.seen.filter(({ method }) => method !== "GET")).toEqual([]);
  await describeCohort();
});

test("comes up, proves its evidence, and has written as much as reckoned with", { timeout: 480_000 }, async () => {
  const { exitCode, stderr, stdout } = await cohort.lab("up", name);
  expect(exitCode, `${stdout}${stderr}\n${runner.jobs.map(({ script, output }) => `${script}: ${output}`).join("\n")}`).toBe(0);
  expect(github.faultsOfForm).toEqual([]);
  const { lab, provider } = githubWrites({ protect: true, registrySecrets: true });
  expect(github.seen.filter(({ method }) => method !== "GET")).toHaveLength(lab + provider);
  expect(github.repository(`${name}-ada`)).toMatchObject({ private: true, keys: [{ title: "gitops-lab: Flux", read_only: false }] });
  expect(runner.jobs.filter(({ exitCode: code }) => code !== 0)).toEqual([]);
});

test("has nothing to do the second time", { timeout: 240_000 }, async () => {
  const before = github.seen.filter(({ method }) => method !== "GET").length;
  const { exitCode, stderr } = await cohort.lab("up", name);
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining("0 changes")]);
  expect(github.seen.filter(({ method }) => method !== "GET")).toHaveLength(before);
});

test("gives a handout without anybody else's credential", { timeout: 60_000 }, async () => {
  const out = join(folder, "handout");
  expect((await cohort.lab("handout", "ada", "--cohort", name, "--out", out)).exitCode).toBe(0);
  const { stdout } = await cohort.run("ls", ["-R", out]);
  expect(stdout).not.toContain("git-credentials");
});

test("goes, and its repository is kept, archived and without the lab's credentials", { timeout: 240_000 }, async () => {
  const repository = github.repository(`${name}-ada`)!;
  const { exitCode, stdout, stderr } = await cohort.lab("down", name);
  expect(exitCode, `${stdout}${stderr}`).toBe(0);
  expect(stdout).toMatch(new RegExp(`kept: repository course/${name}-ada-archived-\\S+ \\(number ${repository.id}\\), archived`));
  expect(repository).toMatchObject({ archived: true, keys: [] });
  expect([...repository.secrets]).toEqual([]);
});
