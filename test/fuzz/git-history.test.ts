import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { bareRepository } from "../../host/pipeline/bare-repository.ts";
import { run } from "../../shared/exec.ts";
import { environments } from "../../shared/names.ts";
import { gitChain } from "../../verification/bundle/git-chain.ts";
import { gitReader, type GitReader } from "../../verification/git-reader.ts";
import { journalRef } from "../../verification/journal.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { seed } from "../support/hostile/soundness.ts";
import { bent, text } from "../support/hostile/text.ts";
import { kustomization, LabState, repository as image } from "../support/lab-state.ts";
import { tmpdir } from "node:os";

vi.setConfig({ testTimeout: 300_000 });

/** How many commits the branch has. Each is what a learner can push who writes Git's objects by hand. */
const commits = 600;

let home: string;
let path: string;
let reader: GitReader & AsyncDisposable;
/** Oldest first. */
const chain: string[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gitops-lab-hostile-git-"));
  path = join(home, "lab.git");
  await run("git", ["init", "--quiet", "--bare", "--initial-branch=main", path]);
  const overlay = overlayPath("staging");
  // A name within a tree holds any byte but a slash and NUL.
  const fileName = text
    .map((name) => name.replaceAll(/[/\0]/g, "").slice(0, 200))
    .filter((name) => name !== "" && !/^\.{1,2}$|^\.git$/i.test(name));
  const drafts = fc.sample(
    fc.record({
      name: text,
      email: text,
      date: fc.oneof(text, fc.constant("1790000000 +0000")),
      message: text,
      header: text,
      file: fileName,
      overlay: bent(kustomization("staging", "0.2.0", "b")),
    }),
    { seed, numRuns: commits },
  );
  for (const draft of drafts) {
    const blob = await object("blob", Buffer.from(draft.overlay));
    const tree = await treeOf({ [overlay]: blob, [draft.file]: await object("blob", Buffer.from(draft.message)) });
    const parent = chain.at(-1);
    const person = `${line(draft.name)} <${line(draft.email).replaceAll(/[<>]/g, "")}> ${chain.length % 3 === 0 ? line(draft.date) : "1790000000 +0000"}`;
    const headers = [`tree ${tree}`, ...(parent === undefined ? [] : [`parent ${parent}`]), `author ${person}`, `committer ${person}`];
    // UTF-7 has other ways to write an end or a line break; who names it is not to make two commits of one.
    if (chain.length % 5 === 0) headers.push(`encoding ${chain.length % 2 === 0 ? "UTF-7" : line(draft.header)}`);
    if (chain.length % 7 === 0) headers.push(`x-${line(draft.header).replaceAll(" ", "")} ${line(draft.header)}`);
    const message = chain.length % 5 === 0 ? `+AAA-+AAo-This reverts commit ${"a".repeat(40)}+AAA-\n${draft.message}` : draft.message;
    chain.push(await object("commit", Buffer.from(`${headers.join("\n")}\n\n${message}`)));
  }
  await writeRef("refs/heads/main", chain.at(-1)!);
  await writeJournal();
  reader = gitReader({ ...new LabState().learner.git, url: path }, AbortSignal.timeout(200_000), home);
});
afterAll(async () => {
  await reader?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const line = (value: string) => value.replaceAll(/[\n\0]/g, " ");

/** Writes a loose object without Git, which would refuse some of them, and returns its id. */
async function object(type: "blob" | "tree" | "commit", content: Buffer): Promise<string> {
  const bytes = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
  const id = createHash("sha1").update(bytes).digest("hex");
  const folder = join(path, "objects", id.slice(0, 2));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, id.slice(2)), deflateSync(bytes, { level: 1 }));
  return id;
}

/** A tree of blobs by their paths. */
async function treeOf(files: Readonly<Record<string, string>>): Promise<string> {
  const entries = new Map<string, { readonly mode: string; readonly id: string }>();
  const folders = new Map<string, Record<string, string>>();
  for (const [file, id] of Object.entries(files)) {
    const slash = file.indexOf("/");
    if (slash < 0) entries.set(file, { mode: "100644", id });
    else folders.set(file.slice(0, slash), { ...folders.get(file.slice(0, slash)), [file.slice(slash + 1)]: id });
  }
  for (const [name, inner] of folders) entries.set(name, { mode: "40000", id: await treeOf(inner) });
  // Folders sort as if they ended with a slash, by bytes.
  const key = (name: string) => Buffer.from(entries.get(name)!.mode === "40000" ? `${name}/` : name);
  const sorted = [...entries.keys()].sort((one, other) => key(one).compare(key(other)));
  const parts = sorted.flatMap((name) => [Buffer.from(`${entries.get(name)!.mode} ${name}\0`), Buffer.from(entries.get(name)!.id, "hex")]);
  return object("tree", Buffer.concat(parts));
}

async function writeRef(ref: string, id: string): Promise<void> {
  await mkdir(join(path, ref, ".."), { recursive: true });
  await writeFile(join(path, ref), `${id}\n`);
}

/** A journal of notes that the pipeline did not write. */
async function writeJournal(): Promise<void> {
  const notes = fc.sample(
    fc.oneof(text, bent(JSON.stringify({ event: "received", at: "2026-11-02T10:00:00Z", by: "ada", branch: "main" }))),
    { seed, numRuns: 50 },
  );
  const files: Record<string, string> = {};
  for (const [index, note] of notes.entries()) files[chain[index * 10]!] = await object("blob", Buffer.from(note));
  const tree = await treeOf(files);
  await writeRef(journalRef, await object("commit", Buffer.from(`tree ${tree}\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\nnotes\n`)));
}

test("every commit of the branch is read as one, in its order, whatever stands in it", async () => {
  const history = await reader.history(commits + 1);
  expect(history.map(({ id }) => id)).toEqual(chain.toReversed());
  for (const [index, { id, parents, paths }] of history.entries()) {
    expect(parents).toEqual(index === commits - 1 ? [] : [history[index + 1]!.id]);
    expect(paths.length, id).toBeLessThanOrEqual(3);
  }
  const touching = await reader.log(overlayPath("staging"));
  expect(chain).toEqual(expect.arrayContaining(touching.map(({ id }) => id)));
});

test("the chain of an evidence bundle and the journal are read to their end", async () => {
  const { commits: read } = await gitChain(reader, 40, environments, image);
  expect(read.map(({ id }) => id)).toEqual(chain.toReversed().slice(0, 40));
  for (const id of (await reader.journal()).keys()) expect(chain).toContain(id);
});

test("the pipeline reads version and journal of any of them", async () => {
  const bare = bareRepository(path);
  for (const id of chain.slice(0, 60)) await bare.journal(id);
  expect((await bare.commitsTouching(chain.at(-1)!, overlayPath("staging"))).every((id) => chain.includes(id))).toBe(true);
});
