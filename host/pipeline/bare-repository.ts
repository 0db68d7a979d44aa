import { run } from "../../shared/exec.ts";
import { parseJournal, journalRef, type JournalEntry } from "../../verification/journal.ts";
import { toolPath } from "../../tools/locate.ts";
import { gitEnvironment } from "../git/repository.ts";

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
  readFile(treeish: string, path: string): Promise<string | undefined>;
  /** The commits below a tip that changed a path, newest first. */
  commitsTouching(tip: string, path: string, limit?: number): Promise<string[]>;
  /** The newest commit below a tip whose message has the line. */
  commitWithLine(tip: string, line: string): Promise<string | undefined>;
  /** Writes one file as a commit on a branch; undefined where the branch's tip is another by now. */
  commitFile(commit: NewCommit): Promise<string | undefined>;
  deleteBranch(branch: string, tip: string): Promise<void>;
  /** Writes a folder of a commit to disk; links become plain files, so that none leads out of it. */
  extract(treeish: string, target: string): Promise<void>;
  journal(commit: string): Promise<JournalEntry[]>;
  note(commit: string, entry: JournalEntry): Promise<void>;
}

export function bareRepository(path: string, quarantine: Readonly<Record<string, string>> = {}): BareRepository {
  async function git(
    args: readonly string[],
    options: { readonly input?: string; readonly env?: Record<string, string>; readonly mayFail?: boolean } = {},
  ) {
    const result = await run(await toolPath("git"), [`--git-dir=${path}`, ...args], {
      env: { ...gitEnvironment(), ...identity, ...quarantine, ...options.env },
      extendEnv: false,
      reject: false,
      stripFinalNewline: false,
      ...(options.input === undefined ? { stdin: "ignore" } : { input: options.input }),
    });
    if (result.exitCode === 0) return result.stdout;
    if (options.mayFail) return undefined;
    throw new Error(`git ${args[0]} in ${path} failed: ${result.stderr.trim() || result.shortMessage}`);
  }
  const words = async (...args: string[]) => ((await git(args)) ?? "").split("\n").filter((word) => word !== "");

  return {
    path,
    async branch() {
      return ((await git(["symbolic-ref", "--short", "HEAD"])) ?? "").trim();
    },
    async resolve(revision) {
      return (await git(["rev-parse", "--verify", "--quiet", revision], { mayFail: true }))?.trim();
    },
    async readFile(treeish, file) {
      const content = (await git(["cat-file", "--batch"], { input: `${treeish}:${file}\n` })) ?? "";
      const end = content.indexOf("\n");
      return / blob \d+$/.test(content.slice(0, end)) ? content.slice(end + 1, -1) : undefined;
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
    async extract(treeish, target) {
      const env = { GIT_INDEX_FILE: `${target}.index` };
      const settings = ["-c", "core.symlinks=false", `--work-tree=${target}`];
      await git([...settings, "read-tree", treeish], { env });
      await git([...settings, "checkout-index", "--all", `--prefix=${target}/`], { env });
    },
    async journal(commit) {
      return parseJournal((await git(["notes", `--ref=${journalRef}`, "show", commit], { mayFail: true })) ?? "");
    },
    async note(commit, entry) {
      await git(["notes", `--ref=${journalRef}`, "append", "--message", JSON.stringify(entry), commit]);
    },
  };
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
