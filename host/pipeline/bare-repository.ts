import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../shared/exec.ts";
import { sizeText } from "../../shared/limits.ts";
import { parseJournal, journalRef, type JournalEntry } from "../../verification/journal.ts";
import { boundedGit } from "../git/bounded-git.ts";
import { LearnerError } from "../git/learner-error.ts";
import { ObjectReader } from "../git/object-reader.ts";
import { gitEnvironment } from "../git/repository.ts";
import { extractTree, listTree, type ExtractBounds, type TreeFile } from "./source-tree.ts";

/** Who the pipeline's own commits and notes say wrote them. */
export const pipelineAuthor = { name: "gitops-lab-pipeline", email: "gitops-lab-pipeline@localhost" } as const;

export interface NewCommit {
  readonly branch: string;
  /** The branch's tip that the commit goes on top of. */
  readonly parent: string;
  readonly path: string;
  readonly content: string;
  readonly message: string;
  readonly author: { readonly name: string; readonly email: string };
}

/** A learner's repository as the pipeline sees it: on disk, and at will with the objects of a push not accepted yet. */
export interface BareRepository {
  readonly path: string;
  /** Name of the branch that Flux follows. */
  branch(): Promise<string>;
  /** The object that a revision names; undefined where there is none. */
  resolve(revision: string): Promise<string | undefined>;
  /** The same of many, in their order, with one look. No revision has a line break in it. */
  resolveAll(revisions: readonly string[]): Promise<(string | undefined)[]>;
  /**
   * A file's content; undefined where there is none. Throws LearnerError `file-too-large`, with no more than the bound read,
   * where it has more bytes.
   *
   * @param mostBytes default: what files that a person writes ever have
   */
  readFile(treeish: string, path: string, mostBytes?: number): Promise<string | undefined>;
  /** The commits below a tip that changed a path, newest first. */
  commitsTouching(tip: string, path: string, limit?: number): Promise<string[]>;
  /** The newest commit below a tip whose message has the line. */
  commitWithLine(tip: string, line: string): Promise<string | undefined>;
  /** Writes one file as a commit on a branch; undefined where the branch's tip is another by now. */
  commitFile(commit: NewCommit): Promise<string | undefined>;
  deleteBranch(branch: string, tip: string): Promise<void>;
  /** The files of a tree with what Git says of them. Throws LearnerError `tree-refused` where there are more than the bound. */
  files(treeish: string, bounds?: ExtractBounds): Promise<TreeFile[]>;
  /**
   * Writes a folder of a commit to disk. Throws LearnerError `tree-refused`, with nothing written, where it has links,
   * submodules, names that no lab has a use for, or more than the bounds.
   */
  extract(treeish: string, target: string, bounds?: ExtractBounds): Promise<void>;
  journal(commit: string): Promise<JournalEntry[]>;
  note(commit: string, entry: JournalEntry): Promise<void>;
}

/** What a person writes by hand is below it: a record, a version, an overlay. */
const largestRead = 64 * 1024;
/** Of everything else that Git says: the list of a hundred thousand commits. */
const largestOutput = 4 * 1024 * 1024;
/** No look into a repository within its limits takes longer, however busy the machine is. */
const timeoutMs = 60_000;

export function bareRepository(path: string, quarantine: Readonly<Record<string, string>> = {}): BareRepository {
  const objects = new ObjectReader(path, quarantine);
  async function git(args: readonly string[], options: { readonly input?: string; readonly mayFail?: boolean } = {}) {
    const [command, all] = await boundedGit([`--git-dir=${path}`, ...args]);
    const result = await run(command, all, {
      env: { ...gitEnvironment(), ...identity, ...quarantine },
      reject: false,
      stripFinalNewline: false,
      timeout: timeoutMs,
      maxBuffer: largestOutput,
      ...(options.input === undefined ? { stdin: "ignore" } : { input: options.input }),
    });
    if (result.exitCode === 0) return result.stdout;
    // What says too much or takes too long has not answered that there is nothing.
    if (options.mayFail && result.exitCode !== undefined) return undefined;
    throw new Error(`git ${args[0]} in ${path} failed: ${result.stderr.trim() || result.shortMessage}`);
  }
  const words = async (...args: string[]) => ((await git(args)) ?? "").split("\n").filter((word) => word !== "");

  return {
    path,
    async branch() {
      // By its full name: in short it depends on which other refs there are.
      const head = await readFile(join(path, "HEAD"), "utf8");
      return head.trim().replace(/^ref: *refs\/heads\//, "");
    },
    resolve: async (revision) => (await objects.info(revision))?.oid,
    resolveAll: async (revisions) => (revisions.length === 0 ? [] : (await objects.infos(revisions)).map((found) => found?.oid)),
    async readFile(treeish, file, mostBytes = largestRead) {
      const found = await objects.info(`${treeish}:${file}`);
      if (found?.type !== "blob") return undefined;
      if (found.bytes > mostBytes)
        throw new LearnerError(
          "file-too-large",
          `${file} has ${sizeText(found.bytes)}, and the lab reads up to ${sizeText(mostBytes)} of it. Make it smaller, and push again.`,
        );
      return (await objects.contents(found)).toString("utf8");
    },
    commitsTouching: (tip, file, limit) =>
      words("log", "--format=%H", ...(limit === undefined ? [] : [`--max-count=${limit}`]), tip, "--", file),
    async commitWithLine(tip, line) {
      return (await words("log", "--format=%H", "--max-count=1", `--grep=^${line}$`, tip))[0];
    },
    async commitFile({ branch, parent, path: file, content, message, author }) {
      const seconds = Math.floor(Date.now() / 1000);
      const signature = (who: { readonly name: string; readonly email: string }) =>
        `${who.name.replace(/[<>\n]/g, "")} <${who.email.replace(/[<>\n]/g, "")}> ${seconds} +0000`;
      const stream = [
        "feature done",
        `commit refs/heads/${branch}`,
        "mark :1",
        `author ${signature(author)}`,
        `committer ${signature(pipelineAuthor)}`,
        data(`${message}\n`),
        `from ${parent}`,
        `M 100644 inline ${JSON.stringify(file)}`,
        data(content),
        "get-mark :1",
        "done\n",
      ].join("\n");
      // It moves a branch only forward, and fails where that can't be.
      return (await git(["fast-import", "--quiet"], { input: stream, mayFail: true }))?.trim();
    },
    async deleteBranch(branch, tip) {
      await git(["update-ref", "-d", `refs/heads/${branch}`, tip], { mayFail: true });
    },
    files: (treeish, bounds) => listTree({ repository: path, quarantine }, treeish, bounds),
    extract: (treeish, target, bounds) => extractTree({ repository: path, quarantine }, treeish, target, bounds),
    async journal(commit) {
      const found = (await objects.infos(noteNames(commit))).find((one) => one?.type === "blob");
      if (found === undefined) return [];
      if (found.bytes > largestOutput) throw new Error(`the journal of ${commit} in ${path} has ${found.bytes} bytes`);
      return parseJournal((await objects.contents(found)).toString("utf8"));
    },
    async note(commit, entry) {
      await git(["notes", `--ref=${journalRef}`, "append", "--message", JSON.stringify(entry), commit]);
    },
  };
}

/** Where Git keeps the note of a commit: the more notes there are, the more folders, each named by two digits. */
function noteNames(commit: string): string[] {
  const [, one = "", two = "", rest = ""] = /^(..)(..)(.*)$/.exec(commit) ?? [];
  return [commit, `${one}/${two}${rest}`, `${one}/${two}/${rest}`].map((name) => `${journalRef}:${name}`);
}

const identity = {
  GIT_AUTHOR_NAME: pipelineAuthor.name,
  GIT_AUTHOR_EMAIL: pipelineAuthor.email,
  GIT_COMMITTER_NAME: pipelineAuthor.name,
  GIT_COMMITTER_EMAIL: pipelineAuthor.email,
};

function data(content: string): string {
  return `data ${Buffer.byteLength(content)}\n${content}`;
}
