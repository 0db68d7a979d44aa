import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGithubFake, type GithubFake } from "../support/github-fake/fake.ts";
import { TestCohort } from "../support/lab-cli.ts";

/** `./lab up` where GitHub, or its stand-in, will not let the cohort's repositories be made. */
let folder: string;
let github: GithubFake;
let cohort: TestCohort;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-github-refused-"));
  github = await startGithubFake({ folder });
  cohort = new TestCohort(`e2e-github-refused-${process.pid}`, join(folder, "home"), []);
  await mkdir(cohort.home);
});
afterAll(async () => {
  await cohort.removeFile();
  await github.close();
  await rm(folder, { recursive: true, force: true });
});

const lab = fileURLToPath(new URL("../../lab", import.meta.url));
const learner = { id: "ada", name: "Ada", email: "ada@example.org", github: "ada-l" };

test.each<[string, { git?: object; learner?: object; scopes?: string[]; token?: string }, RegExp]>([
  ["a token", { token: "" }, /There is no credential for GitHub\. Set GITHUB_TOKEN/],
  ["a valid token", { token: "ghp_another" }, /refused the credential itself .* Set a new one \(GITHUB_TOKEN/],
  ["a scope", { scopes: ["repo", "read:org"] }, /lacks the scope workflow: give it that/],
  ["the organization", { git: { organization: "another" } }, /organization another: .*check `git\.organization` in the cohort file/],
  [
    "a learner's account",
    { learner: { github: "nobody-at-all" } },
    /no GitHub account nobody-at-all, which learner ada is said to have: correct `github`/,
  ],
  ["an answer", { git: { url: "http://127.0.0.1:9" } }, /127\.0\.0\.1:9 does not answer/],
])(
  "without %s it ends with 2 and says what helps, before anything is made",
  { timeout: 60_000 },
  async (_what, { git, learner: more, scopes, token = github.state.token }, says) => {
    const before = github.state.scopes;
    github.state.scopes = scopes ?? before;
    await cohort.set({ git: { kind: "github", organization: "course", url: github.url, ...git }, learners: [{ ...learner, ...more }] });
    const { exitCode, stdout, stderr } = await cohort
      .run(lab, ["up", cohort.name], { GITHUB_TOKEN: token })
      .finally(() => (github.state.scopes = before));
    expect(exitCode, stderr).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(says);
    expect(stderr).toContain("Nothing was created.");
    expect(github.seen.filter(({ method }) => method !== "GET")).toEqual([]);
    expect(await readdir(cohort.home)).toEqual([]);
  },
);

test("a folder of the lab that is not there yet is not there afterwards", { timeout: 60_000 }, async () => {
  await rm(cohort.home, { recursive: true });
  await cohort.set({ git: { kind: "github", organization: "course", url: github.url }, learners: [learner] });
  const { exitCode, stderr } = await cohort.run(lab, ["up", cohort.name], { GITHUB_TOKEN: "" });
  expect(exitCode, stderr).toBe(2);
  await expect(readdir(cohort.home)).rejects.toMatchObject({ code: "ENOENT" });
});
