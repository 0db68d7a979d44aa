import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { gitRepository } from "../../git-hosts/embedded/repository.ts";
import { githubCohort } from "../../git-hosts/github/drivers/cohort.ts";
import { githubRepository } from "../../git-hosts/github/drivers/repository.ts";
import { githubSeed } from "../../git-hosts/github/drivers/seed.ts";
import { sshKey } from "../../git-hosts/github/drivers/ssh-key.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { gitCredentials, gitReader } from "../../verification/git-reader.ts";
import { startGithubFake, type GithubFake } from "../support/github-fake/fake.ts";
import { useLabHome } from "../support/lab-home.ts";
import { startLabServer, type LabServer } from "../support/lab-server.ts";

/** What every Git host has to do for a lab, whichever it is. */
const home = useLabHome();
let server: LabServer;
let github: GithubFake;
let topic: string;
beforeAll(async () => {
  server = await startLabServer(cohortPaths("demo"));
  github = await startGithubFake({ folder: await mkdtemp(join(home(), "github-")) });
  vi.stubEnv("GITHUB_TOKEN", github.state.token);
  const pace = { perMinute: 60_000, perHour: 100_000 };
  topic = (
    await githubCohort.ensure({ cohort: "demo", organization: "course", apiUrl: github.apiUrl, onTeardown: "archive", pace, hostKeys: [] })
  ).output.topic;
});
afterAll(async () => {
  vi.unstubAllEnvs();
  expect(github.faultsOfForm).toEqual([]);
  await github.close();
  await server.close();
});

const seed = {
  files: { "a.txt": "a\n", "flux/b.txt": "b\n" },
  message: "Seed the lab",
  author: { name: "gitops-lab", email: "gitops-lab@localhost" },
  date: 1767225600,
};

type Git = Parameters<typeof gitReader>[0];
interface Given {
  /** As the outputs tell it. */
  readonly git: Git;
  readonly seedCommit: string;
  /** Flux' way in: the URL, and what Git needs in its environment. */
  readonly flux: { readonly url: string; readonly env: Readonly<Record<string, string>> };
  remove(): Promise<void>;
}

const hosts: Readonly<Record<string, (learner: string) => Promise<Given>>> = {
  async embedded(learner) {
    const { id, output } = await gitRepository.ensure({
      cohort: "demo",
      learner,
      repository: "gitops",
      baseUrl: server.url,
      branch: "main",
      seed,
    });
    const { url, seedCommit, learnerUsername: username, learnerPassword: password } = output;
    const env = gitCredentials({ url, username: output.fluxUsername, password: output.fluxPassword });
    return {
      git: { kind: "embedded", url, branch: "main", username, password, seedCommit },
      seedCommit,
      flux: { url, env },
      remove: () => gitRepository.remove(id, output),
    };
  },
  async github(learner) {
    const { id, output } = await githubRepository.ensure({
      cohort: "demo",
      learner,
      organization: "course",
      name: `demo-${learner}`,
      apiUrl: github.apiUrl,
      topic,
      onTeardown: "archive",
    });
    const { seedCommit } = (
      await githubSeed.ensure({ repositoryId: output.repositoryId, url: output.url, apiUrl: github.apiUrl, branch: "main", seed })
    ).output;
    const { privateKey, publicKey } = await keyOf(learner);
    const { keys } = github.state.repositories.get(output.repositoryId)!;
    if (!keys.some(({ key }) => key === publicKey))
      keys.push({ id: (github.state.nextId += 1), key: publicKey, title: "gitops-lab: Flux", read_only: false });
    const { hostname, port } = new URL(output.sshUrl);
    const ssh = { url: output.sshUrl, privateKey, knownHosts: `[${hostname}]:${port} ${github.state.hostKeys[0]}\n` };
    const files = await mkdtemp(join(home(), "flux-"));
    await writeFile(join(files, "identity"), privateKey, { mode: 0o600 });
    await writeFile(join(files, "known_hosts"), ssh.knownHosts);
    const env = {
      GIT_SSH_COMMAND: `ssh -F /dev/null -i ${files}/identity -o IdentitiesOnly=yes -o UserKnownHostsFile=${files}/known_hosts -o StrictHostKeyChecking=yes`,
    };
    return {
      git: { kind: "github", url: output.url, branch: "main", username: "ada-l", password: "", seedCommit, ssh },
      seedCommit,
      flux: { url: ssh.url, env },
      remove: () => githubRepository.remove(id, output),
    };
  },
};
/** In Pulumi's state; made once. */
const keys = new Map<string, Promise<{ privateKey: string; publicKey: string }>>();
function keyOf(learner: string) {
  const key = keys.get(learner) ?? sshKey.ensure({ comment: learner }).then(({ output }) => output);
  keys.set(learner, key);
  return key;
}

/** What Flux does: clones, commits, pushes. Returns the commit. */
async function pushAsFlux({ flux }: Given, branch = "main"): Promise<string> {
  const folder = await mkdtemp(join(home(), "work-"));
  const env = {
    ...flux.env,
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_AUTHOR_NAME: "bot",
    GIT_AUTHOR_EMAIL: "b@x",
    GIT_COMMITTER_NAME: "bot",
    GIT_COMMITTER_EMAIL: "b@x",
  };
  const git = async (...args: string[]) => (await run("git", args, { cwd: folder, env })).stdout;
  await git("clone", "--quiet", flux.url, ".");
  await git("commit", "--quiet", "--allow-empty", "-m", "Update images");
  await git("push", "--quiet", "origin", `HEAD:refs/heads/${branch}`);
  return git("rev-parse", "HEAD");
}

async function headOf({ git }: Given): Promise<string> {
  await using reader = gitReader(git, AbortSignal.timeout(20_000), home());
  return await reader.head();
}

describe.each(Object.entries(hosts))("a repository at the Git host: %s", (_, give) => {
  test("begins with the seed as one commit, the same one everywhere, and the lab reads it", async () => {
    const given = await give("ada");
    await using reader = gitReader(given.git, AbortSignal.timeout(20_000), home());
    expect(await reader.head()).toBe(given.seedCommit);
    expect(given.seedCommit).toBe((await hosts["embedded"]!("reference")).seedCommit);
    expect(await reader.history(5)).toMatchObject([{ id: given.seedCommit, parents: [], paths: ["a.txt", "flux/b.txt"] }]);
    expect(await reader.readFile("main", "flux/b.txt")).toBe("b\n");
    expect(await reader.journal()).toEqual(new Map());
  });

  test("takes what Flux pushes, to the branch and as a proposal", async () => {
    const given = await give("bob");
    const update = await pushAsFlux(given);
    expect(await headOf(given)).toBe(update);
    await pushAsFlux(given, "image-updates/staging");
    expect(await headOf(given)).toBe(update);
  });

  test("made again is the same one, with all that was pushed", async () => {
    const first = await give("cho");
    const update = await pushAsFlux(first);
    const again = await give("cho");
    expect([again.seedCommit, again.git.url, await headOf(again)]).toEqual([first.seedCommit, first.git.url, update]);
  });

  test("is closed to the credential of another learner's", async () => {
    const [dan, eve] = [await give("dan"), await give("eve")];
    await expect(pushAsFlux({ ...dan, flux: { ...eve.flux, url: dan.flux.url, env: foreign(dan, eve) } })).rejects.toThrow(
      /Repository not found|Authentication failed|could not read/,
    );
  });

  test("is closed to everybody once its lab is gone, and no other is", async () => {
    const [fay, gil] = [await give("fay"), await give("gil")];
    await fay.remove();
    await expect(headOf(fay)).rejects.toMatchObject({ code: "git-unreachable" });
    await expect(pushAsFlux(fay)).rejects.toThrow();
    expect(await headOf(gil)).toBe(gil.seedCommit);
    await fay.remove();
  });
});

/** The other's credential at this one's address. */
function foreign(one: Given, other: Given): Readonly<Record<string, string>> {
  const entries = Object.entries(other.flux.env).map(([key, value]) => [key, value.replaceAll(other.flux.url, one.flux.url)]);
  return Object.fromEntries(entries) as Record<string, string>;
}
