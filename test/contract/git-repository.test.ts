import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { gitRepository, type GitRepositoryInput } from "../../git-hosts/embedded/repository.ts";
import { writeDaemonConfig } from "../../host/processes/config.ts";
import { requireImageNames } from "../../host/git/image-names.ts";
import { createRepository, seedRepository } from "../../host/git/repository.ts";
import { leasePorts } from "../../ledger/ports.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { GitClient } from "../support/git-client.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const git = new GitClient("http://unused", undefined);
const seed = {
  files: { "b/c.txt": "c\n", "a.txt": 'ü "quoted"\n', "empty.txt": "" },
  message: "Seed the lab",
  author: { name: "Lab", email: "lab@localhost" },
  date: 1767225600,
};
const inputOf = (learner: string): GitRepositoryInput => ({
  cohort: "demo",
  learner,
  repository: "gitops",
  baseUrl: "http://127.0.0.1:21000",
  branch: "main",
  seed,
});

/** Commits on top of the repository's branch as the learner would; returns the id. */
async function work(path: string): Promise<string> {
  const folder = await mkdtemp(join(home(), "work-"));
  await git.git(folder, "clone", "--quiet", path, ".");
  const id = await git.commit(folder, "work.txt", "the learner's work\n");
  await git.git(folder, "push", "--quiet");
  return id;
}

const head = (path: string) => git.git(path, "rev-parse", "refs/heads/main");

describe("a seed", () => {
  test("is one commit with the files, whose id depends on the seed alone", async () => {
    const paths = [join(home(), "one.git"), join(home(), "two.git")];
    const ids = [];
    for (const path of paths) {
      await createRepository(path, "main");
      ids.push(
        await seedRepository(
          path,
          "main",
          path === paths[0] ? seed : { ...seed, files: Object.fromEntries(Object.entries(seed.files).reverse()) },
        ),
      );
    }
    const [path = ""] = paths;
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).toBe("9ad4753d2b9dd34965b65b07c31aabf89cdd3730");
    expect(await git.git(path, "log", "--format=%an %ae %at %cn %ce %ct %s", "main")).toBe(
      "Lab lab@localhost 1767225600 Lab lab@localhost 1767225600 Seed the lab",
    );
    expect(await git.git(path, "ls-tree", "-r", "--name-only", "main")).toBe("a.txt\nb/c.txt\nempty.txt");
    expect(await git.git(path, "show", "main:a.txt")).toBe('ü "quoted"');
    await git.git(path, "fsck", "--strict");
  });

  test("goes on where it was killed", async () => {
    const { path, seedCommit } = (await gitRepository.ensure(inputOf("cut"))).output;
    await git.git(path, "update-ref", "-d", "refs/heads/main");
    expect((await gitRepository.ensure(inputOf("cut"))).output.seedCommit).toBe(seedCommit);
    expect(await head(path)).toBe(seedCommit);
  });
});

describe("the driver", () => {
  test("gives the same again, and never touches a learner's work", async () => {
    const first = await gitRepository.ensure(inputOf("ada"));
    const done = await work(first.output.path);
    const again = await gitRepository.ensure({ ...inputOf("ada"), seed: { ...seed, files: { "other.txt": "another seed\n" } } });
    expect(again).toEqual(first);
    expect(await head(first.output.path)).toBe(done);
  });

  test("moves to another address with nothing else changed", async () => {
    const before = (await gitRepository.ensure(inputOf("ada"))).output;
    const after = (await gitRepository.ensure({ ...inputOf("ada"), baseUrl: "http://127.0.0.1:22000" })).output;
    expect(after).toEqual({ ...before, url: "http://127.0.0.1:22000/git/ada/gitops.git" });
    expect(gitRepository.replaceOn).not.toContain("baseUrl");
  });

  test("gives learner and Flux credentials of their own", async () => {
    const { output } = await gitRepository.ensure(inputOf("ada"));
    expect(output.learnerUsername).toBe("ada");
    expect(output.fluxUsername).not.toBe(output.learnerUsername);
    expect(output.fluxPassword).not.toBe(output.learnerPassword);
  });

  test("reads what is there, and nothing once the repository or the credentials are gone", async () => {
    const { id, output } = await gitRepository.ensure(inputOf("bob"));
    expect(await gitRepository.read(id, output)).toEqual(output);
    await rm(cohortPaths("demo").learner("bob").access, { recursive: true });
    expect(await gitRepository.read(id, output)).toBeUndefined();
    await gitRepository.ensure(inputOf("bob"));
    await rm(output.path, { recursive: true });
    expect(await gitRepository.read(id, output)).toBeUndefined();
  });

  test("removes the one learner's repository and access, and may do so twice", async () => {
    const ada = await gitRepository.ensure(inputOf("ada"));
    const eve = await gitRepository.ensure(inputOf("eve"));
    await gitRepository.remove(eve.id, eve.output);
    await gitRepository.remove(eve.id, eve.output);
    expect(await gitRepository.read(eve.id, eve.output)).toBeUndefined();
    expect(await readdir(join(cohortPaths("demo").root, "learners"))).not.toContain("eve");
    expect(await gitRepository.read(ada.id, ada.output)).toEqual(ada.output);
  });
});

describe("names of images in a repository", () => {
  const opening = { listen: "10.0.0.5", name: "lab.example.org" };
  const learner = (id: string, via: "loopback" | "door") => ({
    learner: { id },
    git: { kind: "embedded", repository: "gitops" },
    registry: { kind: "embedded" },
    via,
  });
  const seeded = async (id: string, host: string) =>
    gitRepository.ensure({ ...inputOf(id), cohort: "named", seed: { ...seed, files: { "k.yaml": `newName: ${host}/${id}/backend\n` } } });
  const fixed = { code: "image-names-fixed", exitCode: 2 };

  test("stay those by which the learner's cluster comes to them: a move that would need others is refused", async () => {
    await requireImageNames({ cohort: "named", learners: [learner("ada", "loopback")] }, cohortPaths("named"));
    const { http, registry, web } = await leasePorts("named/host", ["http", "registry", "web"]);
    await writeDaemonConfig({ cohort: "named", httpPort: http, registryPort: registry, registryEventsToken: "t" });
    await seeded("ada", `127.0.0.1:${registry}`);
    await seeded("kim", `lab.example.org:${web}`);
    const both = (ada: "loopback" | "door", kim: "loopback" | "door", at = opening) =>
      requireImageNames(
        { cohort: "named", opening: at, learners: [learner("ada", ada), learner("kim", kim), learner("new", "door")] },
        cohortPaths("named"),
      );
    await both("loopback", "door");
    await expect(both("door", "door")).rejects.toMatchObject({
      ...fixed,
      message: expect.stringContaining(`learner ada names images by another address than the lab.example.org:${web} `),
    });
    await expect(both("loopback", "loopback")).rejects.toMatchObject({
      ...fixed,
      message: expect.stringContaining(`learner kim names images by another address than the 127.0.0.1:${registry} `),
    });
    await expect(both("loopback", "door", { listen: "10.0.0.5", name: "10.0.0.5" })).rejects.toMatchObject(fixed);
  });
});

test("what a push of one commit brings is forced to the disk before the push is answered: its objects and the branch", async () => {
  const path = join(home(), "durable.git");
  await createRepository(path, "main");
  await seedRepository(path, "main", seed);
  const folder = await mkdtemp(join(home(), "work-"));
  await git.git(folder, "clone", "--quiet", path, ".");
  await git.commit(folder, "work.txt", "the learner's work\n");
  const trace = join(home(), "trace.jsonl");
  // Git counts its flushes itself: see api-trace2.
  await run("git", ["push", "--quiet"], { cwd: folder, env: { GIT_TRACE2_EVENT: trace, GIT_CONFIG_GLOBAL: "/dev/null" } });
  const flushes = (await readFile(trace, "utf8"))
    .split("\n")
    .filter((line) => line.includes('"key":"fsync/hardware-flush"'))
    .map((line) => (JSON.parse(line) as { sid: string }).sid);
  // The one that unpacks the objects, and its parent that moves the branch.
  expect(new Set(flushes).size).toBe(2);
});
