import { randomBytes } from "node:crypto";
import { mkdtemp, readFile } from "node:fs/promises";
import { once } from "node:events";
import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { issueCredential, type Credential } from "../../host/access.ts";
import { gitRepository, type GitRepositoryOutput } from "../../git-hosts/embedded/repository.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { GitClient } from "../support/git-client.ts";
import { useLabHome } from "../support/lab-home.ts";
import { eventually, startLabServer, type LabServer } from "../support/lab-server.ts";
import { processesWith } from "../support/processes.ts";

const home = useLabHome();
const nothing = "0".repeat(40);
let server: LabServer;
let repositories: Record<"ada" | "bob", GitRepositoryOutput>;

const repositoryOf = async (learner: string) =>
  (
    await gitRepository.ensure({
      cohort: "demo",
      learner,
      repository: "gitops",
      baseUrl: server.url,
      branch: "main",
      seed: {
        files: { "README.md": `The lab of ${learner}\n`, "flux/a b/ä.yaml": "a: 1\n" },
        message: "Seed",
        author: { name: "Lab", email: "lab@localhost" },
        date: 1767225600,
      },
    })
  ).output;

beforeAll(async () => {
  server = await startLabServer(cohortPaths("demo"));
  repositories = { ada: await repositoryOf("ada"), bob: await repositoryOf("bob") };
});
afterAll(() => server.close());
beforeEach(() => void server.pushes.splice(0));

const credentialOf = (learner: "ada" | "bob"): Credential => ({
  username: repositories[learner].learnerUsername,
  password: repositories[learner].learnerPassword,
});
const client = (credential: Credential | undefined) => new GitClient(server.url, credential);
const folder = () => mkdtemp(join(home(), "work-"));

async function clone(learner: "ada" | "bob", credential: Credential = credentialOf(learner)): Promise<{ git: GitClient; work: string }> {
  const git = client(credential);
  const work = await folder();
  await git.git(work, "clone", "--quiet", repositories[learner].url, ".");
  return { git, work };
}

const basic = ({ username, password }: Credential) => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`,
});
const advertisement = (repository: string) => `${server.url}/git/${repository}/info/refs?service=git-upload-pack`;

describe("a learner with the own credential", () => {
  test("clones the seed", async () => {
    const { git, work } = await clone("ada");
    expect(await readFile(join(work, "README.md"), "utf8")).toBe("The lab of ada\n");
    expect(await readFile(join(work, "flux/a b/ä.yaml"), "utf8")).toBe("a: 1\n");
    expect(await git.git(work, "rev-parse", "HEAD")).toBe(repositories.ada.seedCommit);
    expect(await git.git(work, "branch", "--show-current")).toBe("main");
  });

  test("pushes, and the lab hears which refs changed from what to what", async () => {
    const { git, work } = await clone("ada");
    const before = await git.git(work, "rev-parse", "HEAD");
    const after = await git.commit(work, "a.txt", "a\n");
    await git.git(work, "push", "--quiet", "--atomic", "origin", "HEAD:main", "HEAD:topic");
    await eventually("the push", () => server.pushes.length === 1);
    expect(server.pushes).toEqual([
      {
        learner: "ada",
        repository: "gitops",
        user: "ada",
        quarantine: {},
        refs: [
          { ref: "refs/heads/main", oldOid: before, newOid: after },
          { ref: "refs/heads/topic", oldOid: nothing, newOid: after },
        ],
      },
    ]);
    expect(await git.git(work, "ls-remote", "origin", "topic")).toContain(after);
  });

  test("fetches what Flux pushed", async () => {
    const { git, work } = await clone("ada");
    const flux = await clone("ada", { username: repositories.ada.fluxUsername, password: repositories.ada.fluxPassword });
    const pushed = await flux.git.commit(flux.work, "flux.txt", "by Flux\n");
    await flux.git.git(flux.work, "push", "--quiet");
    await git.git(work, "pull", "--quiet");
    expect(await git.git(work, "rev-parse", "HEAD")).toBe(pushed);
  });

  test("pushes 20 MB that do not compress", async () => {
    const { git, work } = await clone("ada");
    const pushed = await git.commit(work, "large.bin", randomBytes(20 * 1024 * 1024));
    await git.git(work, "push", "--quiet");
    expect(await git.git(work, "ls-remote", "origin", "main")).toContain(pushed);
    const again = await clone("ada");
    expect(await again.git.git(again.work, "rev-parse", "HEAD")).toBe(pushed);
  });

  test("cannot rewrite or delete the branch that Flux follows, and the lab hears of no push", async () => {
    const { git, work } = await clone("ada");
    await git.git(work, "commit", "--quiet", "--amend", "--message", "History, rewritten");
    await expect(git.git(work, "push", "--force", "origin", "HEAD:main")).rejects.toThrow(/non-fast-forward/);
    await expect(git.git(work, "push", "origin", ":main")).rejects.toThrow(/deletion of the current branch prohibited/);
    expect(server.pushes).toEqual([]);
  });

  test("neither sees nor moves the lab's own refs", async () => {
    const { git, work } = await clone("ada");
    expect(await git.git(work, "ls-remote", "origin")).not.toContain("gitops-lab");
    await expect(git.git(work, "push", "origin", "HEAD:refs/gitops-lab/seed")).rejects.toThrow(/hidden ref/);
  });
});

test("pushes to several repositories at once all arrive", async () => {
  const clones = await Promise.all([clone("ada"), clone("bob")]);
  const pushed = await Promise.all(
    clones.map(async ({ git, work }, index) => {
      const id = await git.commit(work, `at-once-${index}.bin`, randomBytes(1024 * 1024));
      await git.git(work, "push", "--quiet");
      return id;
    }),
  );
  await eventually("both pushes", () => server.pushes.length === 2);
  const heard = Object.fromEntries(server.pushes.map(({ learner, refs }) => [learner, refs[0]?.newOid]));
  expect(heard).toEqual({ ada: pushed[0], bob: pushed[1] });
});

describe("refused", () => {
  test("another learner, to read and to write", async () => {
    const { git, work } = await clone("bob");
    await expect(git.git(work, "ls-remote", repositories.ada.url)).rejects.toThrow(/Authentication failed/);
    await git.commit(work, "c.txt", "c\n");
    await expect(git.git(work, "push", repositories.ada.url, "HEAD:stolen")).rejects.toThrow(/Authentication failed/);
    expect(server.pushes).toEqual([]);
  });

  test("whoever has no credential", async () => {
    await expect(client(undefined).git(await folder(), "ls-remote", repositories.ada.url)).rejects.toThrow(/could not read Username/);
  });

  test("a wrong password and an unknown learner, in the same words", async () => {
    const answers = await Promise.all(
      [
        fetch(advertisement("ada/gitops.git"), { headers: basic({ ...credentialOf("ada"), password: "wrong" }) }),
        fetch(advertisement("ada/gitops.git"), { headers: basic({ username: "nobody", password: "wrong" }) }),
        fetch(advertisement("ada/gitops.git")),
        fetch(advertisement("eve/gitops.git"), { headers: basic({ username: "eve", password: "wrong" }) }),
        fetch(advertisement("eve/gitops.git"), { headers: basic(credentialOf("ada")) }),
      ].map(async (answer) => {
        const { status, headers } = await answer;
        return { status, challenge: headers.get("www-authenticate"), text: await (await answer).text() };
      }),
    );
    expect(answers[0]?.status).toBe(401);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  test("a push by a user who may only read, with the reason", async () => {
    const reader = await issueCredential(cohortPaths("demo").learner("ada").access, "git", "ada.reader", "read");
    const { git, work } = await clone("ada", reader);
    await git.commit(work, "d.txt", "d\n");
    await expect(git.git(work, "push")).rejects.toThrow(/ada\.reader may read this repository and not push/);
    const post = await fetch(`${repositories.ada.url}/git-receive-pack`, { method: "POST", headers: basic(reader), body: "0000" });
    expect(post.status).toBe(403);
  });

  test.each([
    "/git/ada/../bob/gitops.git/info/refs?service=git-upload-pack",
    "/git/ada/%2e%2e/bob/gitops.git/info/refs?service=git-upload-pack",
    "/git/ada/..%2fbob%2fgitops.git/info/refs?service=git-upload-pack",
    "/git/..%2fgit%2fada/gitops.git/info/refs?service=git-upload-pack",
    "/git/ada/gitops.git%00/info/refs?service=git-upload-pack",
    "/git/ada/gitops/info/refs?service=git-upload-pack",
    "/git/ada/gitops.git/info/refs?service=git-upload-archive",
    "/git/ada/gitops.git/info/refs",
    "/git/ada/gitops.git/HEAD",
    "/git/ada/gitops.git/config",
    "/git/ada/gitops.git/objects/info/packs",
    "/git/ada/missing.git/info/refs?service=git-upload-pack",
  ])("%s", async (path) => {
    const status = await new Promise((resolve, reject) => {
      // As it stands: `fetch` would tidy the path up.
      request(server.url, { path, headers: basic(credentialOf("ada")) }, (response) => resolve(response.resume().statusCode))
        .on("error", reject)
        .end();
    });
    expect([401, 404]).toContain(status);
  });
});

describe("the protocol", () => {
  const lsRefs = "0014command=ls-refs\n00010009peel\n0000";
  const headers = () => ({
    ...basic(credentialOf("ada")),
    "content-type": "application/x-git-upload-pack-request",
    "git-protocol": "version=2",
  });

  test("is version 2 when the client asks for it", async () => {
    const answer = await fetch(advertisement("ada/gitops.git"), { headers: headers() });
    expect(await answer.text()).toContain("version 2");
    const plain = await fetch(advertisement("ada/gitops.git"), { headers: basic(credentialOf("ada")) });
    expect(await plain.text()).not.toContain("version 2");
  });

  test("takes a compressed request", async () => {
    const answer = await fetch(`${repositories.ada.url}/git-upload-pack`, {
      method: "POST",
      headers: { ...headers(), "content-encoding": "gzip" },
      body: gzipSync(lsRefs),
    });
    expect(answer.headers.get("content-type")).toBe("application/x-git-upload-pack-result");
    expect(await answer.text()).toContain("refs/heads/main");
  });
});

describe("a backend", () => {
  /** Waits until Git serves the request and goes away; returns the environments of those Git processes. */
  async function leave(outgoing: ClientRequest): Promise<string[]> {
    outgoing.on("error", () => undefined);
    await eventually("a backend", () => backends().length > 0);
    const seen = backends();
    outgoing.destroy();
    await eventually("no backend", () => backends().length === 0);
    return seen;
  }

  test("runs the hooks of a push to their end when its client leaves with the answer", async () => {
    const { git, work } = await clone("ada");
    const before = await git.git(work, "rev-parse", "HEAD");
    const after = await git.commit(work, "left.txt", "x\n");
    const line = `${before} ${after} refs/heads/main\0 report-status`;
    const command = `${(line.length + 4).toString(16).padStart(4, "0")}${line}0000`;
    const { stdout: pack } = await run("git", ["-C", work, "pack-objects", "--stdout", "--revs", "--quiet"], {
      input: `${after}\n^${before}\n`,
      encoding: "buffer",
    });
    const headers = { ...basic(credentialOf("ada")), "content-type": "application/x-git-receive-pack-request" };
    const outgoing = request(`${repositories.ada.url}/git-receive-pack`, { method: "POST", headers });
    outgoing.end(Buffer.concat([Buffer.from(command), pack]));
    // As Flux' client does: it reads the report and hangs up while post-receive begins.
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    await once(answer, "data");
    answer.destroy();
    await eventually("the push", () => server.pushes.length === 1);
    expect(server.pushes[0]?.refs).toEqual([{ ref: "refs/heads/main", oldOid: before, newOid: after }]);
  });

  test("ends with a client that goes in the middle of a push, and sees nothing of the daemon's environment", async () => {
    process.env["LAB_TEST_SECRET"] = "not for Git";
    const headers = { ...basic(credentialOf("ada")), "content-type": "application/x-git-receive-pack-request" };
    const outgoing = request(`${repositories.ada.url}/git-receive-pack`, { method: "POST", headers });
    // A whole command, so that Git is asked, and no pack after it.
    const line = `${nothing} ${repositories.ada.seedCommit} refs/heads/cut\0 report-status`;
    outgoing.write(`${(line.length + 4).toString(16).padStart(4, "0")}${line}0000`);
    const seen = await leave(outgoing);
    delete process.env["LAB_TEST_SECRET"];
    expect(seen.join()).not.toContain("LAB_TEST_SECRET");
  });

  test("ends with a client that goes while Git works", async () => {
    const { path, url, learnerUsername: username, learnerPassword: password } = await repositoryOf("carol");
    // Git waits for somebody who writes into the pipe.
    await run("mkfifo", [join(path, "packed-refs")]);
    await leave(request(`${url}/info/refs?service=git-upload-pack`, { headers: basic({ username, password }) }).end());
  });
});

/** The environments of the Git processes that serve this test's repositories. */
const backends = () => processesWith(`GIT_PROJECT_ROOT=${home()}`);
