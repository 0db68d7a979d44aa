import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { gitReader } from "../../verification/git-reader.ts";
import { LabState } from "../support/lab-state.ts";

const overlay = "flux/apps/backend/production/kustomization.yaml";
let root: string;
let scratch: string;
const cleanups: (() => PromiseLike<unknown>)[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "git-reader-"));
  scratch = join(root, "scratch");
  await mkdir(scratch);
  git("init", "--quiet", "--initial-branch", "main", join(root, "work"));
  await commit("Seed", { [overlay]: "image: one\nmiddle: 1\nafter: 1\n", "README.md": "hello\n" });
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(root, { recursive: true, force: true });
});

function git(...args: string[]): string {
  const identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
  return execFileSync("git", [...identity, ...args], { encoding: "utf8", stdio: "pipe" }).trim();
}

/** Commits files to the work tree and gives the commit's id. */
async function commit(message: string, files: Record<string, string>): Promise<string> {
  const work = join(root, "work");
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(work, path)), { recursive: true });
    await writeFile(join(work, path), content);
  }
  git("-C", work, "add", "--all");
  git("-C", work, "commit", "--quiet", "-m", message);
  return git("-C", work, "rev-parse", "HEAD");
}

function reader(settings: Partial<ReturnType<typeof account>> = {}, signal = new AbortController().signal) {
  const opened = gitReader({ ...account(), ...settings }, signal, scratch);
  cleanups.push(() => opened[Symbol.asyncDispose]());
  return opened;
}

const account = () => ({ ...new LabState().learner.git, url: `file://${join(root, "work")}` });

test("reads head, history and files of the branch", async () => {
  const seed = git("-C", join(root, "work"), "rev-parse", "HEAD");
  const second = await commit("Update image\n\nThis reverts commit abc.\nSecond line", { [overlay]: "image: two\nmiddle: 1\nafter: 1\n" });
  const third = await commit("Docs", { "README.md": "ümlaut\n" });
  const subject = reader();

  expect(await subject.head()).toBe(third);
  expect(await subject.log(overlay)).toEqual([
    {
      id: second,
      parents: [seed],
      author: "Ada",
      email: "ada@example.org",
      date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      subject: "Update image",
      body: "This reverts commit abc.\nSecond line\n",
    },
    expect.objectContaining({ id: seed, parents: [], subject: "Seed", body: "" }),
  ]);
  expect(await subject.log("absent")).toEqual([]);
  expect(await subject.readFile(seed, overlay)).toBe("image: one\nmiddle: 1\nafter: 1\n");
  expect(await subject.readFile(third, "README.md")).toBe("ümlaut\n");
  expect(await subject.readFile(third, "absent")).toBeUndefined();
  expect(await subject.readFile(third, "flux")).toBeUndefined();
  expect(await subject.isAncestor(seed, third)).toBe(true);
  expect(await subject.isAncestor(third, third)).toBe(true);
  expect(await subject.isAncestor(third, seed)).toBe(false);
  expect(await subject.isAncestor(seed, "f".repeat(40))).toBe(false);
});

test("reads the newest commits with the paths that each changed, a merge against its first parent", async () => {
  const work = join(root, "work");
  const seed = git("-C", work, "rev-parse", "HEAD");
  git("-C", work, "commit", "--quiet", "--allow-empty", "-m", "Empty");
  const empty = git("-C", work, "rev-parse", "HEAD");
  git("-C", work, "checkout", "--quiet", "-b", "side");
  const side = await commit("Side", { "a file\nwith breaks": "1\n" });
  git("-C", work, "checkout", "--quiet", "main");
  const two = await commit("Two\n\nBody\n\nMore", { [overlay]: "image: two\n", "b.txt": "1\n" });
  git("-C", work, "merge", "--quiet", "--no-edit", "side");
  const merge = git("-C", work, "rev-parse", "HEAD");
  const subject = reader();

  const history = await subject.history(10);
  expect(history[0]).toMatchObject({ id: merge, parents: [two, side], paths: ["a file\nwith breaks"] });
  expect(history.find(({ id }) => id === side)).toMatchObject({ parents: [empty], paths: ["a file\nwith breaks"] });
  expect(history.find(({ id }) => id === two)).toMatchObject({
    author: "Ada",
    subject: "Two",
    body: "Body\n\nMore\n",
    paths: ["b.txt", overlay],
  });
  expect(history.slice(3)).toMatchObject([
    { id: empty, subject: "Empty", paths: [] },
    { id: seed, parents: [], paths: ["README.md", overlay] },
  ]);
  expect((await subject.history(2)).map(({ id }) => id)).toEqual(history.slice(0, 2).map(({ id }) => id));
});

test("an empty commit at the end of what is read does not end it early", async () => {
  git("-C", join(root, "work"), "commit", "--quiet", "--allow-empty", "-m", "Empty");
  expect(await reader().history(1)).toMatchObject([{ subject: "Empty", paths: [] }]);
});

describe("revert", () => {
  test("gives the tree that reverting at the tip would give, and changes nothing", async () => {
    const update = await commit("Update", { [overlay]: "image: two\nmiddle: 1\nafter: 1\n" });
    const tip = await commit("Later", { [overlay]: "image: two\nmiddle: 1\nafter: 2\n", "new.txt": "new\n" });
    const subject = reader();
    const tree = await subject.revert(update);
    expect(await subject.readFile(tree ?? "", overlay)).toBe("image: one\nmiddle: 1\nafter: 2\n");
    expect(await subject.readFile(tree ?? "", "new.txt")).toBe("new\n");
    expect(await subject.head()).toBe(tip);
    git("-C", join(root, "work"), "revert", "--no-edit", update);
    expect(git("-C", join(root, "work"), "rev-parse", "HEAD^{tree}")).toBe(tree);
  });

  test("is undefined where it conflicts", async () => {
    const update = await commit("Update", { [overlay]: "image: two\nmiddle: 1\nafter: 1\n" });
    await commit("Again", { [overlay]: "image: three\nmiddle: 1\nafter: 1\n" });
    expect(await reader().revert(update)).toBeUndefined();
  });
});

test("fetches once, and leaves nothing behind", async () => {
  const subject = reader();
  await Promise.all([subject.head(), subject.log(overlay), subject.readFile("HEAD", overlay)]);
  expect(await readdir(scratch)).toHaveLength(1);
  await subject[Symbol.asyncDispose]();
  expect(await readdir(scratch)).toEqual([]);
});

test("the caller's own Git settings change nothing", async () => {
  await writeFile(join(root, "config"), '[log]\n\tshowSignature = true\n[url "file:///nowhere"]\n\tinsteadOf = file://\n');
  vi.stubEnv("GIT_CONFIG_GLOBAL", join(root, "config"));
  vi.stubEnv("GIT_DIR", join(root, "absent"));
  expect(await reader().log(overlay)).toHaveLength(1);
});

test.each([
  ["a repository that is not there", { url: "http://127.0.0.1:9/none.git" }],
  ["a branch that is not there", { branch: "absent" }],
])("throws on %s, and leaves nothing behind", async (_, settings) => {
  await expect(reader(settings).head()).rejects.toMatchObject({ code: "git-unreachable" });
  expect(await readdir(scratch)).toEqual([]);
});

test("throws when the deadline has passed", async () => {
  await expect(reader({}, AbortSignal.abort()).head()).rejects.toThrow();
  expect(await readdir(scratch)).toEqual([]);
});

describe("over HTTP", () => {
  /** Serves the repository to one account, as files (the protocol that needs no program on the server). */
  async function serve(): Promise<string> {
    git("-C", join(root, "work"), "update-server-info");
    const server = createServer(async (request, response) => {
      const allowed = request.headers.authorization === `Basic ${Buffer.from("ada:git-secret").toString("base64")}`;
      if (!allowed) return response.writeHead(401, { "www-authenticate": 'Basic realm="lab"' }).end();
      const path = new URL(request.url ?? "/", "http://lab").pathname;
      if (path.startsWith("/moved/")) return response.writeHead(302, { location: path.replace("/moved", "") }).end();
      const file = await readFile(join(root, "work", ".git", path)).catch(() => undefined);
      return response.writeHead(file ? 200 : 404).end(file);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    cleanups.push(async () => new Promise((resolve) => server.close(resolve)));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test("the credential opens the repository and is in no argument", async () => {
    const real = execFileSync("which", ["git"], { encoding: "utf8" }).trim();
    const seen = join(root, "arguments");
    await mkdir(join(root, "bin"));
    await writeFile(join(root, "bin", "git"), `#!/bin/sh\necho "$@" >>${seen}\nexec ${real} "$@"\n`, { mode: 0o755 });
    vi.stubEnv("PATH", `${join(root, "bin")}:${process.env["PATH"]}`);

    expect(await reader({ url: await serve() }).head()).toMatch(/^[0-9a-f]{40}$/);
    const args = await readFile(seen, "utf8");
    expect(args).toContain("clone");
    expect(args).not.toContain("git-secret");
    expect(args).not.toContain(Buffer.from("ada:git-secret").toString("base64"));
  });

  test("a wrong password is an error that does not tell it", async () => {
    const failure = await reader({ url: await serve(), password: "wrong-secret" })
      .head()
      .catch((error: Error) => error);
    expect(failure).toMatchObject({ code: "git-unreachable" });
    expect(JSON.stringify([String(failure), failure])).not.toContain("wrong-secret");
  });

  test("a redirect is not followed", async () => {
    await expect(reader({ url: `${await serve()}/moved` }).head()).rejects.toMatchObject({ code: "git-unreachable" });
  });
});
