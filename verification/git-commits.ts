/** A commit of a learner's repository. */
export interface Commit {
  readonly id: string;
  readonly parents: readonly string[];
  readonly author: string;
  readonly email: string;
  /** ISO 8601 time at which it was committed. */
  readonly date: string;
  readonly subject: string;
  readonly body: string;
}

/** A commit with the paths that it changed, for a merge those against its first parent. */
export interface CommitWithPaths extends Commit {
  readonly paths: readonly string[];
  /** What it changed at each of the paths: two equal texts stand for the same file. */
  readonly edits: readonly { readonly path: string; readonly from: string; readonly to: string }[];
}

/** A commit with the texts of a file before it (in its first parent) and after it; undefined where there was no such file. */
export interface FileChange {
  readonly commit: Commit;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** What `git log` is asked to say of a commit, a value each. */
export const commitFields = ["%H", "%P", "%an", "%ae", "%cI", "%s", "%b"];

/** A commit from the values of `commitFields`. */
export function commitOf(values: readonly string[]): Commit {
  const [id = "", parents = "", author = "", email = "", date = "", subject = "", body = ""] = values;
  return { id, parents: parents.split(" ").filter(Boolean), author, email, date, subject, body };
}

/**
 * Each commit is: an empty value, its fields, an empty value, and for each path two values: what `--raw` says of it, the first
 * after a line break, and the path. None of these is empty, so the next empty value starts the next commit.
 */
export function commitsWithPaths(values: readonly string[]): CommitWithPaths[] {
  const commits: CommitWithPaths[] = [];
  for (let at = 0; at + commitFields.length < values.length; ) {
    const afterFields = at + 1 + commitFields.length;
    const firstEdit = afterFields + 1;
    const next = values.indexOf("", firstEdit);
    const end = next < 0 ? values.length : next;
    const edits: CommitWithPaths["edits"][number][] = [];
    for (let edit = firstEdit; edit + 1 < end; edit += 2) {
      // `:<mode> <mode> <id> <id> <status>`
      const [from = "", to = "", before = "", after = ""] = (values[edit] ?? "").replace(/^\n?:/, "").split(" ");
      edits.push({ path: values[edit + 1] ?? "", from: `${from} ${before}`, to: `${to} ${after}` });
    }
    commits.push({ ...commitOf(values.slice(at + 1, afterFields)), edits, paths: edits.map(({ path }) => path) });
    at = end;
  }
  return commits;
}

type Git = (args: readonly string[], input: string) => Promise<Buffer>;

/** Larger than anything that a person writes into the files that are looked at. */
const largestText = 64 * 1024;
/** As many at once as are no burden to hold. */
const atOnce = 200;

/** The texts of a file before and after each of some commits, each text read once. */
export async function fileChanges(git: Git, commits: readonly Commit[], path: string): Promise<FileChange[]> {
  const wanted = commits.flatMap(({ id, parents }) => [parents[0] === undefined ? undefined : `${parents[0]}:${path}`, `${id}:${path}`]);
  const named = wanted.filter((one) => one !== undefined);
  if (named.length === 0) return [];
  const told = (await git(["cat-file", "--batch-check"], `${named.join("\n")}\n`)).toString("utf8").split("\n");
  const ids = new Map(
    named.map((name, index) => {
      const [, id, size] = /^([0-9a-f]{40}) blob (\d+)$/.exec(told[index] ?? "") ?? [];
      return [name, Number(size) <= largestText ? id : undefined] as const;
    }),
  );
  const texts = await blobs(git, [...new Set([...ids.values()].filter((id) => id !== undefined))]);
  const textOf = (name: string | undefined) => texts.get((name !== undefined && ids.get(name)) || "");
  return commits.map((commit, index) => ({ commit, before: textOf(wanted[index * 2]), after: textOf(wanted[index * 2 + 1]) }));
}

async function blobs(git: Git, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (let first = 0; first < ids.length; first += atOnce) {
    const batch = await git(["cat-file", "--batch"], `${ids.slice(first, first + atOnce).join("\n")}\n`);
    for (let at = 0; at < batch.length; ) {
      // `<id> blob <size>`, a line break, the content, a line break.
      const start = batch.indexOf("\n", at) + 1;
      const [id = "", , size] = batch
        .subarray(at, start - 1)
        .toString("latin1")
        .split(" ");
      texts.set(id, batch.subarray(start, start + Number(size)).toString("utf8"));
      at = start + Number(size) + 1;
    }
  }
  return texts;
}
