import { isUtf8 } from "node:buffer";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { sizeText, type Limits } from "../../shared/limits.ts";
import { gitLines, type GitRead } from "./git-lines.ts";
import { noCommit, type Push } from "./push.ts";

/** Why a push is more than the repository may hold, with the limit's name. */
export interface Excess {
  /** A field of `limits` in the cohort file, or what else there is a limit of. */
  readonly limit: string;
  readonly sentence: string;
}

/** What no lab on Git has any use for; Flux' controllers and the learner's own Git hold all of it at once. */
const bounds = {
  /** Objects of one push. */
  objects: 50_000,
  /** Files of one commit. */
  files: 10_000,
  /** Bytes of a path, which is one on the lab host with some folders before it. */
  path: 1024,
  /** Folders, one in another. */
  depth: 32,
  /** Bytes of a commit or a tag, its message included. */
  message: 64 * 1024,
  /** Bytes of one folder's list. */
  folder: 1024 * 1024,
  /** Bytes of a file that the pipeline reads; see bare-repository.ts. */
  read: 64 * 1024,
} as const;

/** Files that the pipeline reads as they are written. */
const isRead = (path: string) =>
  path === "app/VERSION" || path === "app/go.mod" || /^promotion\/[^/]+$|(^|\/)kustomization\.ya?ml$/.test(path);

const timeoutMs = 60_000;

/**
 * What of a push is more than the limits have, before it is accepted. Everything is read as a stream and to its bound; a
 * push that can't be looked through in time is an error.
 *
 * @param branch that Flux follows
 */
export async function excessOf(push: Push, repository: string, branch: string, limits: Limits): Promise<Excess | undefined> {
  const read: GitRead = { repository, quarantine: push.quarantine, signal: AbortSignal.timeout(timeoutMs) };
  const added = push.refs.filter(({ newOid }) => newOid !== noCommit);
  if (added.length === 0) return undefined;
  const tips = [...new Set(added.map(({ newOid }) => newOid))];
  return (
    oddRef(push, branch) ??
    (await tooManyRefs(push, read, limits)) ??
    (await tooMuchOnDisk(repository, limits)) ??
    (await oddObject(tips, read, limits)) ??
    (await oddTree(tips, read))
  );
}

function oddRef({ refs }: Push, branch: string): Excess | undefined {
  const added = refs.filter(({ newOid }) => newOid !== noCommit);
  const unseen = added.find(({ ref }) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\uFFFD]/u.test(ref));
  if (unseen !== undefined)
    return {
      limit: "ref names",
      sentence: `The name ${JSON.stringify(unseen.ref)} has characters that can't be seen or are no UTF-8. Choose another name.`,
    };
  // As a commit is named in full Git takes it for that commit, and warns at every turn.
  const double = added.find(
    ({ ref }) =>
      ref === `refs/tags/${branch}` ||
      /^refs\/(heads|tags)\/(refs\/|heads\/|tags\/|remotes\/|(HEAD|FETCH_HEAD|ORIG_HEAD|MERGE_HEAD|[0-9a-f]{40})$)/i.test(ref),
  );
  if (double === undefined) return undefined;
  return {
    limit: "ref names",
    sentence: `${double.ref} can be taken for the branch ${branch}, for another ref or for a commit, wherever it is named in short. Choose another name.`,
  };
}

async function tooManyRefs({ refs }: Push, read: GitRead, limits: Limits): Promise<Excess | undefined> {
  const made = refs.filter(({ oldOid, newOid }) => oldOid === noCommit && newOid !== noCommit).length;
  if (made === 0) return undefined;
  let there = made - refs.filter(({ newOid }) => newOid === noCommit).length;
  for await (const _ of gitLines(read, ["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags"])) {
    there += 1;
  }
  if (there <= limits.refs) return undefined;
  return {
    limit: "refs",
    sentence: `The repository would have ${there} branches and tags, and may have ${limits.refs} (\`refs\`). Delete some that you need no more with \`git push origin --delete <name>\`, and push again.`,
  };
}

/** The repository as it is on disk, with what the push has brought. */
async function tooMuchOnDisk(repository: string, { disk }: Limits): Promise<Excess | undefined> {
  const used = await bytesIn(repository);
  if (used <= disk.git) return undefined;
  return {
    limit: "disk.git",
    sentence: `The repository would take ${sizeText(used)} with this push, and may take ${sizeText(disk.git)} (\`disk.git\`). Delete branches and tags that you need no more with \`git push origin --delete <name>\`, or take large files out of your commits, and push again. What is in the history of the main branch stays; if that is too much, ask your instructor.`,
  };
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const path = join(folder, entry.name);
    // What a push that ended meanwhile took along is gone.
    if (entry.isDirectory()) bytes += await bytesIn(path);
    else
      bytes += await lstat(path).then(
        ({ size }) => size,
        () => 0,
      );
  }
  return bytes;
}

async function oddObject(tips: readonly string[], read: GitRead, limits: Limits): Promise<Excess | undefined> {
  const objects = gitLines(read, ["rev-list", "--objects", "--stdin", "--not", "--all"], {
    input: `${tips.join("\n")}\n`,
    into: ["cat-file", "--batch-check=%(objecttype) %(objectsize) %(rest)"],
  });
  let count = 0;
  for await (const line of objects) {
    const [, type = "", size = "", path = ""] = /^(\w+) (\d+) ?(.*)$/s.exec(line.toString("utf8")) ?? [];
    const bytes = Number(size);
    const sentence = sentenceOf(type, bytes, path, limits);
    if (sentence !== undefined) return { limit: type === "blob" ? "file" : "objects", sentence };
    if ((count += 1) > bounds.objects)
      return {
        limit: "objects",
        sentence: `The push has more than ${bounds.objects} files, folders and commits that are new. Push a part of its commits first; a lab's repository needs no more.`,
      };
  }
  return undefined;
}

function sentenceOf(type: string, bytes: number, path: string, limits: Limits): string | undefined {
  const shown = shownPath(path);
  const mend = "Take it out of the commits that have it, also of those before your last one (`git rebase -i`), and push again.";
  if (type === "blob" && bytes > limits.file)
    return `${shown} has ${sizeText(bytes)}, and a file may have ${sizeText(limits.file)} (\`file\`). ${mend}`;
  if (type === "blob" && bytes > bounds.read && isRead(path))
    return `${shown} has ${sizeText(bytes)}, and the lab reads up to ${sizeText(bounds.read)} of such a file. ${mend}`;
  if (type === "tree" && bytes > bounds.folder)
    return `The folder ${shown} has so many files that its list alone takes ${sizeText(bytes)}, and may take ${sizeText(bounds.folder)}. ${mend}`;
  if ((type === "commit" || type === "tag") && bytes > bounds.message)
    return `A ${type} has ${sizeText(bytes)}, its message included, and may have ${sizeText(bounds.message)}. Shorten it with \`git commit --amend\`, and push again.`;
  return undefined;
}

/** What the refs have in their folders: it is what a checkout writes. */
async function oddTree(tips: readonly string[], read: GitRead): Promise<Excess | undefined> {
  for (const tip of tips) {
    let files = 0;
    // A tag of a file or a folder is looked at as an object only.
    const kind = await peeledKind(tip, read);
    if (kind !== "commit" && kind !== "tree") continue;
    for await (const path of gitLines(read, ["ls-tree", "-r", "-z", "--name-only", "--full-tree", `${tip}^{tree}`], { separator: "\0" })) {
      const wrong = oddPath(path);
      if (wrong !== undefined) return { limit: "paths", sentence: `${shownPath(path.toString("utf8"))} ${wrong}` };
      if ((files += 1) > bounds.files)
        return {
          limit: "files",
          sentence: `A commit of the push has more than ${bounds.files} files, and none may have more. Take out what is made by programs (\`node_modules\`, \`vendor\`), and push again.`,
        };
    }
  }
  return undefined;
}

async function peeledKind(tip: string, read: GitRead): Promise<string> {
  for await (const line of gitLines(read, ["cat-file", "--batch-check=%(objecttype)"], { input: `${tip}^{}\n` }))
    return line.toString("utf8");
  return "";
}

/** What is wrong with a path; undefined where nothing is. */
export function oddPath(path: Buffer): string | undefined {
  const mend = "Rename it, and push again.";
  if (!isUtf8(path)) return `is a path that is no UTF-8. ${mend}`;
  if (path.length > bounds.path) return `is a path of ${path.length} bytes, and one may have ${bounds.path}. ${mend}`;
  const text = path.toString("utf8");
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)) return `is a path with characters that can't be seen. ${mend}`;
  if (text.split("/").length > bounds.depth) return `is more than ${bounds.depth} folders deep. ${mend}`;
  return undefined;
}

/** A path as it is told to a learner: whatever is in it, and at most so long. */
export function shownPath(path: string): string {
  const plain = path === "" ? "of the whole repository" : path.replace(/[\p{C}\uFFFD]/gu, "?");
  return plain.length > 100 ? `${plain.slice(0, 60)}…${plain.slice(-30)}` : plain;
}
