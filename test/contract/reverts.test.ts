import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { environments } from "../../shared/names.ts";
import { gitChain } from "../../verification/bundle/git-chain.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { gitReader } from "../../verification/git-reader.ts";
import { imageChanges } from "../../verification/held-rollback.ts";
import { reversals } from "../../verification/reverts.ts";
import { digestOf, LabState, repository, tagOf } from "../support/lab-state.ts";

const production = overlayPath("production");
let root: string;
/** With the seed (image 1) and a promotion (image 2). */
let base: string;
let work: string;
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "reverts-"));
  work = base = join(root, "base");
  execFileSync("git", ["init", "--quiet", "--initial-branch", "main", base]);
  await commit("Seed", { [production]: overlay("0.1.0", "a"), "README.md": "one\n" });
  await commit("Words", { "README.md": "two\n" });
  await commit("Update backend in production", { [production]: overlay("0.2.0", "b") });
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(async () => {
  work = join(root, `work-${(count += 1)}`);
  await cp(base, work, { recursive: true });
});

function overlay(version: string, digest: string): string {
  return `resources:\n  - ../base\nimages:\n  - name: backend\n    newName: ${repository}\n    newTag: ${tagOf("production", version)} # tag\n    digest: ${digestOf(digest)} # digest\n`;
}

function git(...args: string[]): string {
  const identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
  return execFileSync("git", ["-C", work, ...identity, ...args], {
    encoding: "utf8",
    stdio: "pipe",
    env: { ...process.env, GIT_EDITOR: "true", GIT_CONFIG_GLOBAL: "/dev/null" },
  }).trim();
}

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(work, path)), { recursive: true });
    await writeFile(join(work, path), content);
  }
  git("add", "--all");
}

async function commit(message: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  await write(files);
  git("commit", "--quiet", "--allow-empty", "--message", message);
  return git("rev-parse", "HEAD");
}

const promotion = () => git("log", "-1", "--format=%H", "refs/heads/main", "--", production);

/** What the newest change of production's image is, and how the evidence's chain calls its commit. */
async function look() {
  await using reader = gitReader({ ...new LabState().learner.git, url: `file://${work}` }, AbortSignal.timeout(60_000), root);
  const changes = await imageChanges(reader, "production", repository);
  const [newest] = changes;
  const reversal = newest && reversals(changes).get(newest);
  const chain = await gitChain(reader, 50, environments, repository);
  const { kind, reverts } = chain.commits.find(({ id }) => id === newest?.commit)!;
  return { of: reversal?.of.commit, isRollback: reversal?.isRollback ?? false, kind, reverts };
}

/** A file that Git wrote a message template to. */
const staged = (...args: string[]) => git("revert", "--no-commit", ...args);

describe("what takes production back is a revert, however it was made", () => {
  const ways: [string, (of: string) => Promise<unknown>][] = [
    ["git revert", async (of) => git("revert", "--no-edit", of)],
    [
      "git with revert.reference and a subject of one's own",
      async (of) => {
        git("-c", "revert.reference=true", "revert", "--no-edit", of);
        git("commit", "--quiet", "--amend", "--message", `Roll production back\n\n${git("log", "-1", "--format=%b")}`);
      },
    ],
    [
      "a forge that names the commit in short",
      async (of) => {
        staged(of);
        await commit(`Revert "Update backend in production"\n\nThis reverts commit ${of.slice(0, 8)}`);
      },
    ],
    [
      "an editor that names it within a sentence of another language",
      async (of) => {
        staged(of);
        await commit(`Rückgängig: Update backend in production (Commit ${of.slice(0, 10)})`);
      },
    ],
    [
      "a message that names nothing",
      async (of) => {
        staged(of);
        await commit("production auf den alten Stand");
      },
    ],
    [
      "a message that names a commit of another branch",
      async (of) => {
        staged(of);
        await commit(`Revert\n\nThis reverts commit ${"d".repeat(40)}.\n\n(cherry picked from commit ${"e".repeat(40)})`);
      },
    ],
    [
      "a checkout of the file as it was",
      async (of) => {
        git("checkout", "--quiet", `${of}^`, "--", production);
        await commit("Back");
      },
    ],
    [
      "a larger commit",
      async (of) => {
        staged(of);
        await commit("Back, and some words", { "README.md": "three\n", "notes/a.md": "a\n" });
      },
    ],
    [
      "an editor that lays the file out anew",
      async () => {
        await commit("Back", {
          [production]: overlay("0.1.0", "a")
            .replaceAll(/ # (tag|digest)/g, "")
            .replaceAll("\n", "\r\n"),
        });
      },
    ],
    [
      "a merge request",
      async (of) => {
        git("checkout", "--quiet", "-b", `revert-${of.slice(0, 8)}`);
        git("revert", "--no-edit", of);
        git("checkout", "--quiet", "main");
        await commit("Meanwhile", { "README.md": "meanwhile\n" });
        git("merge", "--quiet", "--no-ff", "--no-edit", `revert-${of.slice(0, 8)}`);
      },
    ],
    [
      "a merge request that was squashed",
      async (of) => {
        git("checkout", "--quiet", "-b", "fix");
        await commit("Words", { "README.md": "three\n" });
        git("revert", "--no-edit", of);
        git("checkout", "--quiet", "main");
        git("merge", "--quiet", "--squash", "fix");
        await commit("Fix production (#12)");
      },
    ],
    [
      "a cherry-pick of a revert",
      async (of) => {
        git("checkout", "--quiet", "-b", "fix");
        git("revert", "--no-edit", of);
        const revert = git("rev-parse", "HEAD");
        git("checkout", "--quiet", "main");
        await commit("Meanwhile", { "README.md": "meanwhile\n" });
        git("cherry-pick", "-x", revert);
      },
    ],
  ];
  test.each(ways)("%s", async (_, make) => {
    const of = promotion();
    await make(of);
    expect(await look()).toMatchObject({ of, isRollback: true, kind: "revert", reverts: of });
  });

  test("a revert of the merge that brought the image", async () => {
    git("checkout", "--quiet", "-b", "release");
    const brought = await commit("Update backend in production", { [production]: overlay("0.3.0", "c") });
    git("checkout", "--quiet", "main");
    await commit("Meanwhile", { "README.md": "meanwhile\n" });
    git("merge", "--quiet", "--no-ff", "--no-edit", "release");
    git("revert", "--no-edit", "-m", "1", "HEAD");
    expect(await look()).toMatchObject({ of: brought, isRollback: true, kind: "revert" });
  });

  test("of several promotions at once, and of one after the other", async () => {
    const first = promotion();
    const second = await commit("Update backend in production", { [production]: overlay("0.3.0", "c") });
    staged(second, first);
    await commit("Back to the beginning");
    expect(await look()).toMatchObject({ of: second, isRollback: true, kind: "revert" });
    git("reset", "--quiet", "--hard", second);
    git("revert", "--no-edit", second, first);
    expect(await look()).toMatchObject({ of: first, isRollback: true, kind: "revert" });
  });
});

describe("what only says so is none", () => {
  test("another image", async () => {
    const of = promotion();
    await commit(`Revert "Update"\n\nThis reverts commit ${of}.`, { [production]: overlay("0.3.0", "c") });
    expect(await look()).toMatchObject({ of: undefined, isRollback: false, kind: "image-update" });
  });

  test("a revert of the revert rolls forward", async () => {
    git("revert", "--no-edit", promotion());
    const revert = git("rev-parse", "HEAD");
    git("revert", "--no-edit", revert);
    expect(await look()).toMatchObject({ of: revert, isRollback: false, kind: "revert", reverts: revert });
  });
});

test("other commits are reverts by what they do as well, also with what others changed in the same file meanwhile", async () => {
  const text = (line: string) => Array.from({ length: 20 }, (_, index) => (index === 2 ? line : `line ${index}`)).join("\n");
  await commit("Text", { "text.md": text("old") });
  const of = await commit("Change", { "text.md": text("new") });
  await commit("Elsewhere", { "text.md": `${text("new")}\nmore\n` });
  git("-c", "revert.reference=true", "revert", "--no-edit", of);
  const named = git("rev-parse", "HEAD");
  await commit("Words", { "README.md": "three\n" });
  const words = git("rev-parse", "HEAD");
  await commit("Undo the words", { "README.md": "two\n" });
  await using reader = gitReader({ ...new LabState().learner.git, url: `file://${work}` }, AbortSignal.timeout(60_000), root);
  const { commits } = await gitChain(reader, 5, environments, repository);
  expect(commits[0]).toMatchObject({ kind: "revert", reverts: words });
  expect(commits.find(({ id }) => id === named)).toMatchObject({ kind: "revert", reverts: of });
});

test("a long history takes as many looks as a short one", async () => {
  const stream = ["feature done"];
  for (let index = 0; index < 3000; index += 1) {
    const content = overlay(`0.${index + 3}.0`, index % 2 === 0 ? "c" : "d");
    const message = `Update ${index} ${"abcdef0 ".repeat(20)}`;
    stream.push("commit refs/heads/main", "committer A <a@example.org> 1790000000 +0000", `data ${message.length}\n${message}`);
    if (index === 0) stream.push(`from ${promotion()}`);
    stream.push(`M 100644 inline ${production}`, `data ${content.length}\n${content}`);
  }
  execFileSync("git", ["-C", work, "fast-import", "--quiet"], { input: `${stream.join("\n")}\ndone\n` });
  git("reset", "--quiet", "--hard");
  git("revert", "--no-edit", "HEAD");
  const seen = join(root, "seen");
  await mkdir(join(root, "bin"));
  const real = execFileSync("which", ["git"], { encoding: "utf8" }).trim();
  await writeFile(join(root, "bin/git"), `#!/bin/sh\necho "$3" >>${seen}\nexec ${real} "$@"\n`);
  await chmod(join(root, "bin/git"), 0o755);
  vi.stubEnv("PATH", `${join(root, "bin")}:${process.env["PATH"]}`);
  try {
    expect(await look()).toMatchObject({ of: git("rev-parse", "HEAD^"), isRollback: true, kind: "revert" });
  } finally {
    vi.unstubAllEnvs();
  }
  // A look at each of the fifty commits of the chain, and some for the branch as a whole.
  expect((await readFile(seen, "utf8")).split("\n").length).toBeLessThan(250);
});
