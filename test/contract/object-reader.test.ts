import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ObjectReader } from "../../host/git/object-reader.ts";
import { createRepository, seedRef, seedRepository } from "../../host/git/repository.ts";
import { run } from "../../shared/exec.ts";
import { laterInSession } from "../../shared/proc.ts";
import { bareRepository, type BareRepository } from "../../host/pipeline/bare-repository.ts";
import { waitUntil } from "../../shared/wait.ts";

let folder: string;
let path: string;
let repository: BareRepository;
let seed: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "object-reader-"));
  path = join(folder, "gitops.git");
  await createRepository(path, "trunk");
  const files = { "a.txt": "a\n", "empty.txt": "", "words/größe.txt": "über\nalles", "large.txt": "x".repeat(200_000) };
  seed = await seedRepository(path, "trunk", {
    files,
    message: "Seed",
    author: { name: "Lab", email: "lab@localhost" },
    date: 1_767_225_600,
  });
  repository = bareRepository(path);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const gitsOf = () =>
  laterInSession().filter(({ command }) => command.includes("cat-file --batch-command") && command.includes(`--git-dir=${path} `));

test("finds what there is, in the order of the names, and nothing where there is nothing", async () => {
  const reader = new ObjectReader(`${path}/`);
  const found = await reader.infos([
    seedRef,
    "no/such",
    `${seed}:words`,
    `${seed}:a\n.txt`,
    `${seed}:a.txt`,
    "",
    "HEAD:large.txt",
    `${seed} `,
  ]);
  expect(found.map((one) => one && [one.type, one.type === "blob" ? one.bytes : undefined])).toEqual([
    ["commit", undefined],
    undefined,
    ["tree", undefined],
    undefined,
    ["blob", 2],
    undefined,
    ["blob", 200_000],
    undefined,
  ]);
  expect(found[0]?.oid).toBe(seed);
});

test("gives contents byte by byte, also of looks that are taken at once, with one process", async () => {
  const [text, empty, words, large] = await Promise.all([
    repository.readFile(seed, "a.txt"),
    repository.readFile(seed, "empty.txt"),
    repository.readFile(seed, "words/größe.txt"),
    repository.readFile(seed, "large.txt", 1_000_000),
  ]);
  expect([text, empty, words, large?.length]).toEqual(["a\n", "", "über\nalles", 200_000]);
  await expect(repository.readFile(seed, "large.txt")).rejects.toMatchObject({ code: "file-too-large" });
  expect(await repository.readFile(seed, "words")).toBeUndefined();
  expect(gitsOf().length).toBe(1);
});

test("sees branches, commits and notes that came while it was looking", async () => {
  expect(await repository.branch()).toBe("trunk");
  expect(await repository.resolve("refs/heads/new")).toBeUndefined();
  const author = { name: "Ada", email: "ada@localhost" };
  let parent = seed;
  for (const number of [1, 2, 3]) {
    const commit = await repository.commitFile({
      branch: "trunk",
      parent,
      path: "a.txt",
      content: `${number}\n`,
      message: `${number}`,
      author,
    });
    expect(await repository.resolve("refs/heads/trunk")).toBe(commit);
    expect(await repository.readFile(commit!, "a.txt")).toBe(`${number}\n`);
    expect(await repository.journal(commit!)).toEqual([]);
    const entry = { event: "received" as const, at: "2026-01-01T00:00:00.000Z", by: "ada", branch: "trunk" };
    await repository.note(commit!, entry);
    await repository.note(commit!, { ...entry, by: "bob" });
    expect((await repository.journal(commit!)).map((one) => "by" in one && one.by)).toEqual(["ada", "bob"]);
    parent = commit!;
  }
});

test("finds a note among so many that Git keeps them in folders", async () => {
  const blob = "data 76\n" + JSON.stringify({ event: "received", at: "2026-01-01T00:00:00.000Z", by: "eve", branch: "b" }).padEnd(76);
  const notes = Array.from({ length: 700 }, (_, number) => createHash("sha1").update(`${number}`).digest("hex"));
  // Git takes notes of what is no commit only when they are written as files: that is how it keeps them in two such folders.
  const files = [...notes, seed].map((commit) => `M 100644 inline ${commit.slice(0, 2)}/${commit.slice(2)}\n${blob}\n`);
  const many = `commit refs/notes/pipeline\ncommitter Lab <lab@localhost> 1767225600 +0000\ndata 0\nfrom refs/notes/pipeline^0\ndeleteall\n${files.join("")}done\n`;
  await run("git", [`--git-dir=${path}`, "fast-import", "--quiet", "--done"], { input: many });
  expect(await repository.journal(seed)).toMatchObject([{ by: "eve" }]);
  await repository.note(seed, { event: "received", at: "2026-01-01T00:00:00.000Z", by: "ada", branch: "b" });
  expect((await repository.journal(seed)).map((entry) => "by" in entry && entry.by)).toEqual(["eve", "ada"]);
});

test("has its process end a moment after the last look, and goes on with another", async () => {
  await repository.resolve("HEAD");
  expect(gitsOf().length).toBe(1);
  await waitUntil(async () => (gitsOf().length === 0 ? { done: true, value: undefined } : { done: false, because: "Git runs." }), {
    what: "the process to end",
    timeoutSeconds: 20,
    intervalMs: 100,
    remedy: "",
  });
  expect(await repository.resolve("refs/heads/trunk")).toMatch(/^[0-9a-f]{40}$/);
});

test("fails with what Git said where it ended, and the next look goes on", async () => {
  const reader = new ObjectReader(path);
  const { pid } = (await reader.info("HEAD"), gitsOf().at(-1))!;
  process.kill(pid, "SIGKILL");
  await expect(reader.info("HEAD")).rejects.toThrow("git cat-file in");
  expect((await reader.info("HEAD"))?.type).toBe("commit");
  await expect(new ObjectReader(join(folder, "nowhere.git")).info("HEAD")).rejects.toThrow("not a git repository");
});
