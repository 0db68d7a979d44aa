import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { githubCohort } from "../../git-hosts/github/drivers/cohort.ts";
import { githubRepository, type GithubRepositoryInput } from "../../git-hosts/github/drivers/repository.ts";
import { githubSeed } from "../../git-hosts/github/drivers/seed.ts";
import { sshKey } from "../../git-hosts/github/drivers/ssh-key.ts";
import { lookForRepository } from "../../git-hosts/github/look.ts";
import { forgetInventory, readInventory } from "../../ledger/inventory.ts";
import { lookForAll } from "../../ledger/looks.ts";
import { makeReceipt } from "../../ledger/receipt.ts";
import { takeRemainders } from "../../ledger/remainders.ts";
import { gitReader } from "../../verification/git-reader.ts";
import { startGithubFake, type GithubFake } from "../support/github-fake/fake.ts";
import { GitClient } from "../support/git-client.ts";
import { useLabHome } from "../support/lab-home.ts";
import { cohortPaths } from "../../shared/paths.ts";

const home = useLabHome();
let github: GithubFake;
let topic: string;

beforeEach(async () => {
  github = await startGithubFake({ folder: await mkdtemp(join(home(), "github-")) });
  vi.stubEnv("GITHUB_TOKEN", github.state.token);
  topic = (await githubCohort.ensure(cohortInput())).output.topic;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  expect(github.faultsOfForm).toEqual([]);
  await github.close();
});

const cohortInput = () => ({
  cohort: "demo",
  organization: "course",
  apiUrl: github.apiUrl,
  onTeardown: "archive" as const,
  pace: { perMinute: 60_000, perHour: 100_000 },
  hostKeys: [],
});
const input = (over: Partial<GithubRepositoryInput> = {}): GithubRepositoryInput => ({
  cohort: "demo",
  learner: "ada",
  organization: "course",
  name: "demo-ada",
  apiUrl: github.apiUrl,
  topic,
  onTeardown: "archive",
  ...over,
});
const seed = { files: { "a.txt": "a\n" }, message: "Seed the lab", author: { name: "Lab", email: "lab@localhost" }, date: 1767225600 };
const seedInput = ({ repositoryId, url }: { repositoryId: number; url: string }) => ({
  repositoryId,
  url,
  apiUrl: github.apiUrl,
  branch: "main",
  seed,
});
const writes = () => github.seen.filter(({ method }) => method !== "GET");

describe("a learner's repository", () => {
  test("is private, marked as the lab's, and made with two requests that write", async () => {
    const { output } = await githubRepository.ensure(input());
    expect(github.repository("demo-ada")).toMatchObject({
      id: output.repositoryId,
      private: true,
      topics: ["gitops-lab", topic],
      description: expect.stringContaining("ada"),
    });
    expect(output).toMatchObject({
      fullName: "course/demo-ada",
      url: `${github.url}/course/demo-ada.git`,
      sshUrl: expect.stringMatching(/^ssh:\/\/git@127\.0\.0\.1:\d+\/course\/demo-ada\.git$/),
    });
    expect(writes()).toMatchObject([
      { method: "POST", path: "/orgs/course/repos" },
      { method: "PUT", path: "/repos/course/demo-ada/topics" },
    ]);
  });

  test("made again is the same one, with nothing written", async () => {
    const first = await githubRepository.ensure(input());
    const before = writes().length;
    expect(await githubRepository.ensure(input())).toEqual(first);
    expect(writes()).toHaveLength(before);
  });

  test("that was cut off between its making and its topics is taken over by its description", async () => {
    github.fail(/^PUT .*topics$/, { status: 500 });
    await expect(githubRepository.ensure(input())).rejects.toMatchObject({ code: "github-rejected" });
    const { id } = github.repository("demo-ada")!;
    expect((await githubRepository.ensure(input())).output.repositoryId).toBe(id);
    expect(github.repository("demo-ada")?.topics).toContain(topic);
  });

  test("whose making GitHub did not answer is found by the next try", async () => {
    github.fail(/^POST .*repos$/, { status: 502, afterwards: true });
    await expect(githubRepository.ensure(input())).rejects.toMatchObject({ code: "github-rejected" });
    await githubRepository.ensure(input());
    expect(github.state.repositories.size).toBe(1);
  });

  test("is refused where another one has the name, which stays as it is", async () => {
    const theirs = await github.addRepository("demo-ada");
    theirs.topics = ["gitops-lab", "gitops-lab-demo-00000000"];
    await expect(githubRepository.ensure(input())).rejects.toMatchObject({
      code: "github-name-taken",
      message: expect.stringMatching(
        new RegExp(
          `course/demo-ada, which learner ada would get, is taken by a repository that this lab did not make \\(number ${theirs.id}, `,
        ),
      ),
    });
    expect(writes()).toEqual([]);
  });

  test("is refused where the name is taken by one that the credential may not see", async () => {
    await github.addRepository("demo-ada");
    github.fail(/^GET \/repos\/course\/demo-ada$/, { status: 404 });
    await expect(githubRepository.ensure(input())).rejects.toMatchObject({
      code: "github-name-taken",
      message: expect.stringContaining("may not even see"),
    });
  });

  test("that was archived by hand is refused with what helps", async () => {
    await githubRepository.ensure(input());
    github.repository("demo-ada")!.archived = true;
    await expect(githubRepository.ensure(input())).rejects.toMatchObject({
      code: "github-archived",
      message: expect.stringContaining("Unarchive it at"),
    });
  });
});

describe("what is read of it", () => {
  test("follows a rename by the repository's number", async () => {
    const { id, output } = await githubRepository.ensure(input());
    const repository = github.repository("demo-ada")!;
    repository.name = "elsewhere";
    github.state.redirects.set("demo-ada", repository.id);
    expect(await githubRepository.read(id, output)).toMatchObject({
      repositoryId: repository.id,
      fullName: "course/elsewhere",
      url: `${github.url}/course/elsewhere.git`,
    });
    // Another one at the old name, to which GitHub then leads no more.
    github.state.redirects.clear();
    await github.addRepository("demo-ada");
    expect(await githubRepository.read(id, output)).toMatchObject({ repositoryId: repository.id, fullName: "course/elsewhere" });
  });

  test("is that it is gone when it is gone, archived or somebody else's", async () => {
    const { id, output } = await githubRepository.ensure(input());
    const repository = github.repository("demo-ada")!;
    repository.archived = true;
    expect(await githubRepository.read(id, output)).toBeUndefined();
    Object.assign(repository, { archived: false, topics: ["theirs"] });
    expect(await githubRepository.read(id, output)).toBeUndefined();
    github.state.repositories.clear();
    expect(await githubRepository.read(id, output)).toBeUndefined();
  });

  test("is no verdict where the 404 may be a missing permission", async () => {
    const { id, output } = await githubRepository.ensure(input());
    github.state.repositories.clear();
    github.state.scopes = ["workflow", "read:org"];
    const failure = githubRepository.read(id, output);
    await expect(failure).rejects.toMatchObject({
      code: "github-preflight",
      message: expect.stringMatching(/lacks the scope repo:.*can't be told/s),
    });
    await expect(githubRepository.remove(id, output)).rejects.toMatchObject({ code: "github-preflight" });
  });
});

describe("the seed", () => {
  test("is one commit, pushed by Git, and the repository's first one ever after", async () => {
    const { output } = await githubRepository.ensure(input());
    const before = writes().length;
    const { seedCommit } = (await githubSeed.ensure(seedInput(output))).output;
    expect(writes()).toHaveLength(before);
    const git = new GitClient("http://unused", undefined);
    const { path } = github.repository("demo-ada")!;
    expect(await git.git(path, "rev-list", "--all")).toBe(seedCommit);
    const tree = await git.git(path, "rev-parse", "main^{tree}");
    const work = await git.git(path, "commit-tree", tree, "-p", seedCommit, "-m", "work");
    await git.git(path, "update-ref", "refs/heads/main", work);
    expect((await githubSeed.ensure({ ...seedInput(output), seed: { ...seed, files: {} } })).output.seedCommit).toBe(seedCommit);
    expect(await git.git(path, "rev-parse", "main")).toBe(work);
  });

  test("without the right to push is told without the token", async () => {
    const { output } = await githubRepository.ensure(input());
    github.repository("demo-ada")!.archived = true;
    const failure = await githubSeed.ensure(seedInput(output)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "git-unreachable", message: expect.stringContaining("workflow files included") });
    expect(String(failure)).not.toContain(github.state.token);
  });

  test("is read over SSH by the deploy key, from the server whose key is known and no other", async () => {
    const { output } = await githubRepository.ensure(input());
    const { seedCommit } = (await githubSeed.ensure(seedInput(output))).output;
    const key = (await sshKey.ensure({ comment: "flux" })).output;
    github.repository("demo-ada")!.keys.push({ id: 1, key: key.publicKey, title: "gitops-lab: Flux", read_only: false });
    const host = new URL(output.sshUrl);
    const line = (hostKey: string) => `[${host.hostname}]:${host.port} ${hostKey}\n`;
    const learner = (knownHosts: string) => ({
      kind: "github",
      url: output.url,
      branch: "main",
      username: "ada-l",
      password: "",
      seedCommit,
      ssh: { url: output.sshUrl, privateKey: key.privateKey, knownHosts },
    });
    await using reader = gitReader(learner(line(github.state.hostKeys[0]!)), AbortSignal.timeout(20_000), home());
    expect(await reader.head()).toBe(seedCommit);
    expect(await reader.journal()).toEqual(new Map());
    const other = (await sshKey.ensure({ comment: "other" })).output;
    await using stranger = gitReader(learner(line(other.publicKey)), AbortSignal.timeout(20_000), home());
    await expect(stranger.head()).rejects.toMatchObject({
      code: "git-unreachable",
      message: expect.stringContaining("Host key verification failed"),
    });
    await using outsider = gitReader(
      {
        ...learner(line(github.state.hostKeys[0]!)),
        ssh: { ...learner(line(github.state.hostKeys[0]!)).ssh, privateKey: other.privateKey },
      },
      AbortSignal.timeout(20_000),
      home(),
    );
    await expect(outsider.head()).rejects.toMatchObject({ code: "git-unreachable", message: expect.stringContaining("Permission denied") });
  });
});

describe("the end", () => {
  test("archives it under another name, without the lab's credentials, and leaves the name to the next lab", async () => {
    const { id, output } = await githubRepository.ensure(input());
    const repository = github.repository("demo-ada")!;
    repository.keys.push(
      { id: 1, key: "ssh-ed25519 a", title: "gitops-lab: Flux", read_only: false },
      { id: 2, key: "ssh-ed25519 b", title: "Ada's own", read_only: true },
    );
    repository.secrets.set("REGISTRY_PASSWORD", "x").set("OTHER", "y");
    await githubRepository.remove(id, output);
    expect(repository).toMatchObject({
      archived: true,
      name: expect.stringMatching(/^demo-ada-archived-\d{8}t\d{6}z$/),
      keys: [{ title: "Ada's own" }],
    });
    expect([...repository.secrets.keys()]).toEqual(["OTHER"]);
    await githubRepository.remove(id, output);
    const next = await githubRepository.ensure(input());
    expect(next.output.repositoryId).not.toBe(repository.id);
    expect(await takeRemainders("demo")).toEqual([
      { kind: "kept", sentence: expect.stringContaining(`repository course/${repository.name} (number ${repository.id}), archived`) },
    ]);
  });

  test("deletes it where the cohort file says so", async () => {
    const { id, output } = await githubRepository.ensure(input({ onTeardown: "delete" }));
    await githubRepository.remove(id, output);
    await githubRepository.remove(id, output);
    expect(github.state.repositories.size).toBe(0);
  });

  test("leaves another repository of that name, and finds its own by its number", async () => {
    const { id, output } = await githubRepository.ensure(input({ onTeardown: "delete" }));
    github.repository("demo-ada")!.name = "elsewhere";
    const theirs = await github.addRepository("demo-ada");
    await githubRepository.remove(id, output);
    expect([...github.state.repositories.values()]).toEqual([theirs]);
  });

  test("leaves what carries the lab's topic no more, and says so", async () => {
    const { id, output } = await githubRepository.ensure(input({ onTeardown: "delete" }));
    github.repository("demo-ada")!.topics = ["kept"];
    await githubRepository.remove(id, output);
    expect(github.repository("demo-ada")).toMatchObject({ archived: false });
    expect(await takeRemainders("demo")).toEqual([
      {
        kind: "left",
        sentence: expect.stringMatching(
          new RegExp(`^repository course/demo-ada \\(number ${output.repositoryId}\\): it carries the topic ${topic} no more`),
        ),
      },
    ]);
    expect(await takeRemainders("demo")).toEqual([]);
  });

  test("of the cohort takes what no state knows of, and nothing else", async () => {
    const { output } = await githubRepository.ensure(input());
    const other = await github.addRepository("other");
    const cohort = await githubCohort.ensure(cohortInput());
    await githubCohort.remove(cohort.id, cohort.output);
    expect(github.state.repositories.get(output.repositoryId)).toMatchObject({ archived: true });
    expect(other).toMatchObject({ archived: false, name: "other" });
  });
});

describe("the look for a repository that the inventory names", () => {
  const look = async () =>
    (
      await lookForAll(cohortPaths("demo"), await readInventory("demo"), {
        looks: { "github-repository": (thing) => lookForRepository(thing, () => undefined) },
      })
    ).map(({ id, sight }) => [id, sight.state]);
  beforeEach(() => forgetInventory("demo"));

  test("finds it by its number, whatever it is called by now, and tells it from somebody else's", async () => {
    const { output } = await githubRepository.ensure(input());
    const id = `${github.apiUrl}/repositories/${output.repositoryId}`;
    expect(await look()).toEqual([[id, "left"]]);
    const repository = github.repository("demo-ada")!;
    repository.name = "renamed";
    expect(await look()).toEqual([[id, "left"]]);
    repository.topics = [];
    expect(await look()).toEqual([[id, "foreign"]]);
  });

  test("takes an archived one for kept, and a deleted one for gone", async () => {
    const archived = await githubRepository.ensure(input());
    await githubRepository.remove(archived.id, archived.output);
    const deleted = await githubRepository.ensure(input({ onTeardown: "delete" }));
    await githubRepository.remove(deleted.id, deleted.output);
    const receipt = makeReceipt(
      { cohort: "demo", startedAt: new Date(), problems: [] },
      await lookForAll(cohortPaths("demo"), await readInventory("demo"), {
        looks: { "github-repository": (thing) => lookForRepository(thing, () => undefined) },
      }),
    );
    expect(receipt).toMatchObject({ result: "zero", items: [{ state: "kept" }, { state: "gone" }] });
    await takeRemainders("demo");
  });

  test("can't tell anything where the credential does not hold, and says what would remove it", async () => {
    const { output } = await githubRepository.ensure(input());
    vi.stubEnv("GITHUB_TOKEN", "ghp_another");
    const [seen] = await lookForAll(cohortPaths("demo"), await readInventory("demo"), {
      looks: { "github-repository": (thing) => lookForRepository(thing, () => undefined) },
    });
    expect(seen!.sight).toEqual({
      state: "unknown",
      says: expect.stringContaining("refused the credential"),
      remove: `gh api -X DELETE repositories/${output.repositoryId}`,
    });
  });
});
