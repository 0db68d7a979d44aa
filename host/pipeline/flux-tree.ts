import { basename } from "node:path";
import { run } from "../../shared/exec.ts";
import { parseJournal, journalRef, type JournalEntry } from "../../verification/journal.ts";
import { toolPath } from "../../tools/locate.ts";
import { gitEnvironment } from "../git/repository.ts";
import { log } from "../log.ts";

/** Where everything is that Flux applies, and the file that may take something out of it. */
export const fluxFolder = "flux";
const ignoreFile = ".sourceignore";

const maxFiles = 2_000;
const maxBytes = 8 * 1024 * 1024;

/** The files of a commit that Flux goes by; or a clause that says why they are not looked at. */
export type TreeFiles = { readonly content: Buffer } | { readonly problem: string };

/** What the gate needs to know of a repository beyond single files. */
export interface FluxTree {
  /** The same for two commits in which Flux finds the same; undefined where there is nothing for it. */
  id(commit: string): Promise<string | undefined>;
  /** In the form that tools/go/cluster/lab-render takes. Links and submodules are left out, as Flux leaves them out. */
  files(commit: string): Promise<TreeFiles>;
  /** Files that differ between two commits, of those that Flux goes by. */
  changed(before: string, after: string): Promise<string[]>;
  /** What the pipeline noted of the commits below a tip, no commit before one that it is in. */
  journal(tip: string): Promise<ReadonlyMap<string, readonly JournalEntry[]>>;
}

/** @param quarantine see `Push` */
export function fluxTree(path: string, quarantine: Readonly<Record<string, string>> = {}): FluxTree {
  async function git(args: readonly string[], input?: string): Promise<Buffer> {
    const result = await run(await toolPath("git"), [`--git-dir=${path}`, ...args], {
      env: { ...gitEnvironment(), ...quarantine },
      encoding: "buffer",
      stripFinalNewline: false,
      reject: false,
      maxBuffer: 4 * maxBytes,
      ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    });
    if (result.exitCode === 0) return Buffer.from(result.stdout);
    log("warn", `git ${args[0]} in ${path}: ${result.shortMessage}`);
    // A pusher may be told this.
    throw new Error(`git ${args[0]} failed in the learner's repository`);
  }

  /** Not `git archive`: what a file .gitattributes says changes or hides the files in it, and Flux goes by none. */
  async function list(commit: string): Promise<{ readonly oid: string; readonly size: number; readonly name: Buffer }[]> {
    const listing = await git(["ls-tree", "-r", "-z", "-l", "--full-tree", commit, `${fluxFolder}/`, ignoreFile]);
    return splitAtZero(listing).flatMap((entry) => {
      const tab = entry.indexOf("\t");
      const [mode = "", , oid = "", size = ""] = entry.subarray(0, tab).toString("latin1").split(/ +/);
      const name = entry.subarray(tab + 1);
      // Flux follows a link in the place of this file, and of no other.
      if (mode === "120000" && basename(name.toString("latin1")) === ignoreFile) return [{ oid, size: Number.NaN, name }];
      return mode.startsWith("100") ? [{ oid, size: Number(size), name }] : [];
    });
  }

  return {
    async id(commit) {
      const objects = await git(["cat-file", "--batch-check"], `${commit}:${fluxFolder}\n${commit}:${ignoreFile}\n`);
      const [folder = "", ignored = ""] = objects.toString("utf8").split("\n");
      const tree = /^(\S+) tree /.exec(folder)?.[1];
      return tree && `${tree}.${/^(\S+) blob /.exec(ignored)?.[1] ?? ""}`;
    },

    async files(commit) {
      const entries = await list(commit);
      const bytes = entries.reduce((sum, { size }) => sum + size, 0);
      if (entries.length > maxFiles || bytes > maxBytes)
        return {
          problem: `${fluxFolder}/ has ${entries.length} files of ${bytes} bytes in all; up to ${maxFiles} of ${maxBytes} can be judged`,
        };
      if (entries.some(({ size }) => Number.isNaN(size))) return { problem: `${ignoreFile} is a link` };
      const names = entries.map(({ name }) => name.toString("utf8"));
      const strange = entries.findIndex(({ name }, index) => !name.equals(Buffer.from(names[index]!)));
      if (strange >= 0) return { problem: `the name ${JSON.stringify(names[strange])} is no UTF-8` };
      const batch = await git(["cat-file", "--batch"], entries.map(({ oid }) => `${oid}\n`).join(""));
      const parts: Buffer[] = [];
      let at = 0;
      for (const [index, { size }] of entries.entries()) {
        // `<oid> blob <size>`, a line break, the content, a line break.
        const start = batch.indexOf("\n", at) + 1;
        parts.push(Buffer.from(`${JSON.stringify({ path: names[index], size })}\n`), batch.subarray(start, start + size));
        at = start + size + 1;
      }
      return { content: Buffer.concat(parts) };
    },

    async changed(before, after) {
      const args = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after, "--", `${fluxFolder}/`, ignoreFile];
      return splitAtZero(await git(args)).map(String);
    },

    async journal(tip) {
      const noted = await git(["log", "-z", "--topo-order", `--notes=${journalRef}`, "--format=%H%x00%N", tip]);
      const values = noted.toString("utf8").split("\0");
      const entries = Array.from(
        { length: Math.floor(values.length / 2) },
        (_, index) => [values[index * 2] ?? "", parseJournal(values[index * 2 + 1] ?? "")] as const,
      );
      return new Map(entries.filter(([, one]) => one.length > 0));
    },
  };
}

function splitAtZero(text: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length; ) {
    const zero = text.indexOf(0, at);
    const end = zero < 0 ? text.length : zero;
    if (end > at) parts.push(text.subarray(at, end));
    at = end + 1;
  }
  return parts;
}
