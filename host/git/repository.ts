import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { FileTree } from "../../lab-templates/types.ts";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";

export interface Seed {
  readonly files: FileTree;
  readonly message: string;
  readonly author: { readonly name: string; readonly email: string };
  /** Unix time in seconds of author and committer: with the rest of the seed it decides the commit's id. */
  readonly date: number;
}

/** Where the seed commit is remembered. Outside refs/heads and hidden from clients, so nobody moves it. */
export const labRefs = "refs/gitops-lab";
export const seedRef = `${labRefs}/seed`;

/** The environment of every Git process of the lab host: no user's or system's configuration, no inherited variables. */
export const gitEnvironment = (): Record<string, string> => childEnvironment("git");

/**
 * What a push was told to be there is there after a power loss as well. By itself Git forces packs to the disk, and a push of
 * a few commits makes none: its objects and the branch would be empty files. See core.fsync in git-config(1).
 */
const durable = { "core.fsync": "objects,derived-metadata,reference", "core.fsyncMethod": "batch" } as const;

/** Makes a bare repository at the path, or leaves the one that is there. The rules of pushing are in smart-http.ts. */
export async function createRepository(path: string, branch: string): Promise<void> {
  // One that is there keeps its mode: it may be anybody's.
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await git(path, ["init", "--quiet", "--bare", "--template=", `--initial-branch=${branch}`, path]);
  for (const [key, value] of Object.entries(durable)) await git(path, ["config", "--replace-all", key, value]);
}

/**
 * Puts the seed on the branch as one commit without a parent, and returns its id. What is there already is never
 * touched: a repository that was seeded keeps its commits, whatever the seed is now.
 */
export async function seedRepository(path: string, branch: string, seed: Seed): Promise<string> {
  const branchRef = `refs/heads/${branch}`;
  const { stdout } = await git(path, ["for-each-ref", "--format=%(refname) %(objectname)", seedRef, branchRef]);
  const refs = new Map(stdout.split("\n").map((line) => line.split(" ", 2) as [string, string]));
  // First the hidden ref, then the branch: whoever was killed between the two goes on from there.
  const commit = refs.get(seedRef) ?? (await importSeed(path, seed));
  if (!refs.has(branchRef)) await git(path, ["update-ref", branchRef, commit, ""]);
  return commit;
}

/** Whether a file of the seed has the text in it; undefined where nothing was seeded yet. */
export async function seedMentions(path: string, text: string): Promise<boolean | undefined> {
  const { stdout } = await git(path, ["for-each-ref", "--format=%(objectname)", seedRef]);
  if (stdout === "") return undefined;
  const args = [`--git-dir=${path}`, "grep", "--quiet", "--fixed-strings", "-e", text, stdout];
  const result = await run(await toolPath("git"), args, { env: gitEnvironment(), reject: false });
  if (result.exitCode === 0 || result.exitCode === 1) return result.exitCode === 0;
  throw new Error(`git grep in ${path} failed: ${result.stderr}`);
}

/** Whether anything was ever committed. */
export async function hasCommits(path: string): Promise<boolean> {
  return (await git(path, ["for-each-ref", "--count=1"])).stdout !== "";
}

/** Writes every ref of a repository and all that they need as one file, which `git clone` and `git bundle verify` take. */
export async function bundleRepository(path: string, file: string): Promise<void> {
  await git(path, ["bundle", "create", "--quiet", file, "--all"]);
  await git(path, ["bundle", "verify", "--quiet", file]);
}

/** Writes the seed commit in one process and without a working tree, see git-fast-import(1). */
async function importSeed(path: string, seed: Seed): Promise<string> {
  const signature = `${seed.author.name} <${seed.author.email}> ${seed.date} +0000`;
  const stream = [
    "feature done",
    `commit ${seedRef}`,
    "mark :1",
    `author ${signature}`,
    `committer ${signature}`,
    data(`${seed.message}\n`),
    // JSON's quoting of a path is one that Git reads, as long as there are no control characters in it.
    ...Object.entries(seed.files).flatMap(([file, content]) => [`M 100644 inline ${JSON.stringify(file)}`, data(content)]),
    "get-mark :1",
    "done\n",
  ].join("\n");
  const { stdout } = await git(path, ["fast-import", "--quiet"], stream);
  return stdout;
}

function data(content: string): string {
  return `data ${Buffer.byteLength(content)}\n${content}`;
}

async function git(repository: string, args: readonly string[], input?: string): Promise<{ readonly stdout: string }> {
  return run(await toolPath("git"), [`--git-dir=${repository}`, ...args], {
    env: gitEnvironment(),
    ...(input === undefined ? {} : { input }),
  });
}
