import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LabError } from "../shared/errors.ts";
import { childEnvironment } from "../shared/environment.ts";
import { run } from "../shared/exec.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import { makeScratchFolder } from "../shared/scratch.ts";
import {
  commitFields,
  commitOf,
  commitsWithPaths,
  fileChanges,
  type Commit,
  type CommitWithPaths,
  type FileChange,
} from "./git-commits.ts";
import { sshEnvironment } from "./git-ssh.ts";
import { journalRef, parseJournal, type JournalEntry } from "./journal.ts";

/** Reads one branch of a learner's repository, as it was at the first look. */
export interface GitReader {
  /** The commit at the tip of the branch. */
  head(): Promise<string>;
  /** The commits of the branch that changed a path, newest first. */
  log(path: string): Promise<readonly Commit[]>;
  /** The same of the newest two thousand of them, with what the file said before and after each. */
  changes(path: string): Promise<readonly FileChange[]>;
  /** Every commit of the branch with its parents, none before one that it is in. */
  graph(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** The oldest commit of the branch that brought a text into a file at or below a path; undefined where none did. */
  introduced(text: string, path: string): Promise<Commit | undefined>;
  /** The newest commits of the branch, newest first. */
  history(limit: number): Promise<readonly CommitWithPaths[]>;
  /** A file in a commit or tree; undefined where there is none. */
  readFile(treeish: string, path: string): Promise<string | undefined>;
  /** False also where the branch does not know one of the commits. */
  isAncestor(ancestor: string, descendant: string): Promise<boolean>;
  /** The tree that reverting a commit at the tip would give, without doing it; undefined where that conflicts. */
  revert(commit: string): Promise<string | undefined>;
  /** Whether a commit's files, of those that an earlier one changed, are as a revert of that one would have made them. */
  undoes(commit: string, earlier: string): Promise<boolean>;
  /** What the pipeline wrote down, by commit; empty where it has written nothing. */
  journal(): Promise<ReadonlyMap<string, readonly JournalEntry[]>>;
}

interface GitOptions {
  readonly input?: string;
  readonly mayExitWith?: readonly number[];
  readonly env?: Record<string, string>;
}

/** More than a person or a pipeline changes a file in a course. */
const mostChanges = 2000;
/** Files of a commit that is looked at as one that may be taken back: their names are arguments. */
const mostUndone = 500;

/**
 * A reader over the git CLI (2.38 or later, for `merge-tree --write-tree`). The first look fetches the branch into a
 * private folder, which disposing removes. Throws when it could not look.
 */
export function gitReader(
  repository: LearnerOutputs["git"],
  signal: AbortSignal,
  parentFolder: string = tmpdir(),
): GitReader & AsyncDisposable {
  const { branch } = repository;
  const url = repository.ssh?.url ?? repository.url;
  let fetched: Promise<string> | undefined;
  let noted: ReturnType<GitReader["journal"]> | undefined;
  let parents: ReturnType<GitReader["graph"]> | undefined;
  /** Of the copy: it holds the key as well where there is one. */
  let home: string | undefined;

  async function access(): Promise<Record<string, string>> {
    return repository.ssh === undefined ? gitCredentials(repository) : sshEnvironment(repository.ssh, home ?? tmpdir());
  }

  async function fetchBranch(): Promise<string> {
    home = await makeScratchFolder("git", parentFolder);
    const folder = join(home, "repository.git");
    const clone = ["clone", "--quiet", "--bare", "--single-branch", "--no-tags", "--template=", "--branch", branch, "--", url];
    const { exitCode, stderr } = await run("git", [...clone, folder], {
      env: { ...gitEnvironment(), ...(await access()) },
      reject: false,
      cancelSignal: signal,
    });
    if (exitCode === 0) return folder;
    await rm(home, { recursive: true, force: true });
    throw new LabError(
      "git-unreachable",
      `Could not fetch ${branch} of ${url}: ${stderr.trim() || "git did not finish"}. Try \`git ls-remote ${url}\`.`,
    );
  }

  async function git(args: readonly string[], options: GitOptions = {}) {
    const said = await bytesOf(args, options);
    return { ...said, stdout: Buffer.from(said.stdout).toString("utf8") };
  }

  async function bytesOf(args: readonly string[], options: GitOptions) {
    const folder = await (fetched ??= fetchBranch());
    const result = await run("git", ["--git-dir", folder, ...args], {
      encoding: "buffer",
      env: { ...gitEnvironment(), ...options.env },
      reject: false,
      stripFinalNewline: false,
      cancelSignal: signal,
      ...(options.input === undefined ? { stdin: "ignore" } : { input: options.input }),
    });
    const said = { exitCode: result.exitCode, stdout: result.stdout, stderr: Buffer.from(result.stderr ?? "").toString("utf8") };
    if (result.exitCode === 0 || options.mayExitWith?.includes(result.exitCode ?? -1)) return said;
    throw new LabError("git-failed", `\`git ${args[0]}\` in a copy of ${url} failed: ${said.stderr.trim()}. Try it in a clone.`);
  }

  async function commitsOf(choice: readonly string[]): Promise<Commit[]> {
    const { stdout } = await git(["log", "-z", "--topo-order", `--format=${commitFields.join("%x00")}`, `refs/heads/${branch}`, ...choice]);
    const values = stdout.split("\0");
    return Array.from({ length: Math.floor(values.length / commitFields.length) }, (_, index) =>
      commitOf(values.slice(index * commitFields.length, (index + 1) * commitFields.length)),
    );
  }

  /** A revert is a three-way merge with the commit as the base: give its parent's tree a commit on top of it. */
  async function revertOnto(tip: string, commit: string): Promise<string | undefined> {
    const undo = await git(["commit-tree", `${commit}^^{tree}`, "-p", commit, "-m", `Revert ${commit}`]);
    const merged = await git(["merge-tree", "--write-tree", tip, undo.stdout.trim()], { mayExitWith: [1] });
    return merged.exitCode === 0 ? merged.stdout.trim() : undefined;
  }

  async function readGraph(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { stdout } = await git(["log", "--topo-order", "--format=%H %P", `refs/heads/${branch}`]);
    const lines = stdout.split("\n").map((line) => line.split(" ").filter(Boolean));
    return new Map(lines.flatMap(([id, ...parents]) => (id === undefined ? [] : [[id, parents] as const])));
  }

  async function readJournal(): Promise<ReadonlyMap<string, readonly JournalEntry[]>> {
    const fetched = await git(["fetch", "--quiet", "--", url, `+${journalRef}:${journalRef}`], {
      mayExitWith: [128],
      env: await access(),
    });
    if (fetched.exitCode !== 0) {
      if (/couldn't find remote ref/.test(fetched.stderr)) return new Map();
      throw new LabError(
        "git-unreachable",
        `Could not fetch the pipeline's journal of ${url}: ${fetched.stderr.trim()}. Try \`git ls-remote ${url}\`.`,
      );
    }
    const { stdout } = await git(["log", "-z", `--notes=${journalRef}`, "--format=%H%x00%N", `refs/heads/${branch}`]);
    const values = stdout.split("\0");
    const entries = Array.from(
      { length: Math.floor(values.length / 2) },
      (_, index) => [values[index * 2] ?? "", parseJournal(values[index * 2 + 1] ?? "")] as const,
    );
    return new Map(entries.filter(([, noted]) => noted.length > 0));
  }

  return {
    async head() {
      return (await git(["rev-parse", "--verify", `refs/heads/${branch}`])).stdout.trim();
    },

    log: (path) => commitsOf(["--", path]),

    async changes(path) {
      const commits = await commitsOf([`--max-count=${mostChanges}`, "--", path]);
      return fileChanges(async (args, input) => Buffer.from((await bytesOf(args, { input })).stdout), commits, path);
    },

    graph: () => (parents ??= readGraph()),

    async introduced(text, path) {
      return (await commitsOf([`-S${text}`, "--", path])).at(-1);
    },

    async history(limit) {
      const format = `--format=%x00${commitFields.join("%x00")}%x00`;
      const { stdout } = await git([
        "log",
        "-z",
        "--topo-order",
        "--diff-merges=first-parent",
        "--no-renames",
        "--raw",
        "--no-abbrev",
        `--max-count=${limit}`,
        format,
        `refs/heads/${branch}`,
      ]);
      return commitsWithPaths(stdout.split("\0"));
    },

    async readFile(treeish, path) {
      // Unlike `git show`, this tells an absent file from a failure by its output.
      const { stdout } = await git(["cat-file", "--batch"], { input: `${treeish}:${path}\n` });
      const end = stdout.indexOf("\n");
      return / blob \d+$/.test(stdout.slice(0, end)) ? stdout.slice(end + 1, -1) : undefined;
    },

    async isAncestor(ancestor, descendant) {
      const known = await git(["cat-file", "--batch-check"], { input: `${ancestor}^{commit}\n${descendant}^{commit}\n` });
      if (known.stdout.includes(" missing\n")) return false;
      return (await git(["merge-base", "--is-ancestor", ancestor, descendant], { mayExitWith: [1] })).exitCode === 0;
    },

    revert: (commit) => revertOnto(`refs/heads/${branch}`, commit),

    async undoes(commit, earlier) {
      const known = await git(["cat-file", "--batch-check"], { input: `${commit}^\n${earlier}^\n` });
      if (known.stdout.includes(" missing\n")) return false;
      const reverted = await revertOnto(`${commit}^`, earlier);
      if (reverted === undefined) return false;
      const { stdout } = await git(["diff-tree", "-r", "-z", "--no-renames", "--name-only", `${earlier}^`, earlier]);
      const paths = stdout.split("\0").filter(Boolean);
      if (paths.length === 0 || paths.length > mostUndone) return false;
      const differs = ["diff-tree", "-r", "--quiet", reverted, `${commit}^{tree}`, "--", ...paths];
      // A name of a file is no pattern.
      return (await git(["--literal-pathspecs", ...differs], { mayExitWith: [1] })).exitCode === 0;
    },

    journal: () => (noted ??= readJournal()),

    async [Symbol.asyncDispose]() {
      await fetched?.catch(() => undefined);
      if (home) await rm(home, { recursive: true, force: true });
    },
  };
}

/** The environment of a Git that commits as the lab itself, whoever asks. */
export function gitEnvironment(): Record<string, string> {
  return childEnvironment("git", {
    GIT_AUTHOR_NAME: "gitops-lab",
    GIT_AUTHOR_EMAIL: "gitops-lab@localhost",
    GIT_COMMITTER_NAME: "gitops-lab",
    GIT_COMMITTER_EMAIL: "gitops-lab@localhost",
  });
}

/** The credential as configuration in the environment, for this URL alone and never sent on to where it redirects. */
export function gitCredentials({
  url,
  username,
  password,
}: Pick<LearnerOutputs["git"], "url" | "username" | "password">): Record<string, string> {
  const basic = Buffer.from(`${username}:${password}`).toString("base64");
  return {
    GIT_CONFIG_COUNT: "2",
    GIT_CONFIG_KEY_0: `http.${url}.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    GIT_CONFIG_KEY_1: "http.followRedirects",
    GIT_CONFIG_VALUE_1: "false",
  };
}
