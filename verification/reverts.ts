import type { Commit } from "./git-commits.ts";
import type { ImageReference } from "./image-reference.ts";

/** A commit that gave an environment another image. */
export interface Revertible {
  readonly source: Pick<Commit, "id" | "subject" | "body">;
  readonly from: ImageReference;
  readonly to: ImageReference;
  /** Whether it carries out a promotion or comes from image automation, by what the pipeline noted: neither takes anything back. */
  readonly isAutomatic: boolean;
}

/** What a change takes back. */
export interface Reversal<C> {
  readonly of: C;
  /** Not where it takes back a rollback, which rolls forward. */
  readonly isRollback: boolean;
}

/**
 * Which changes of an environment's image take an earlier one back, told by what they do: from the image that the earlier one
 * brought to the image that it took away, be it alone, with other changes in one commit, or several at once. The message only
 * helps where more than one earlier change is meant by the same.
 *
 * @param changes newest first
 */
export function reversals<C extends Revertible>(changes: readonly C[]): ReadonlyMap<C, Reversal<C>> {
  const found = new Map<C, Reversal<C>>();
  const byBoth = new Map<string, C[]>();
  /** The newest change that took an image away, and the newest but for rollbacks that brought it, with their places. */
  const takenAway = new Map<string, number>();
  const brought = new Map<string, { readonly change: C; readonly place: number }>();
  for (const [place, change] of changes.toReversed().entries()) {
    const [from, to] = [keyOf(change.from), keyOf(change.to)];
    const inverse = byBoth.get(`${to}\n${from}`);
    const last = brought.get(from);
    const isBackBeyond = last !== undefined && (takenAway.get(to) ?? Number.POSITIVE_INFINITY) <= last.place;
    const of = change.isAutomatic
      ? undefined
      : (named(change.source, inverse ?? []) ?? inverse?.at(-1) ?? (isBackBeyond ? last.change : undefined));
    if (of !== undefined) found.set(change, { of, isRollback: found.get(of)?.isRollback !== true });

    byBoth.set(`${from}\n${to}`, [...(byBoth.get(`${from}\n${to}`) ?? []).slice(-mostAlike), change]);
    takenAway.set(from, place);
    if (found.get(change)?.isRollback !== true) brought.set(to, { change, place });
  }
  return found;
}

/** Of changes from one image to another, back and forth again. */
const mostAlike = 50;

const keyOf = ({ repository, tag, digest }: ImageReference) => [repository, tag ?? "", digest ?? ""].join("\n\n");

/** The one of some changes whose commit the message names, in full or in short. */
function named<C extends Revertible>({ subject, body }: Pick<Commit, "subject" | "body">, among: readonly C[]): C | undefined {
  const words = commitNames(`${subject}\n${body}`);
  return among.findLast(({ source: { id } }) => words.some((word) => id.startsWith(word)));
}

/**
 * What in a message may be the id of a commit, in full or in short: `This reverts commit 92384291.` and whatever forges, editors
 * and people of other languages write. Git's own shortest has seven digits; four is the least that it takes.
 */
export function commitNames(message: string): string[] {
  return [
    ...new Set(
      message
        .slice(0, largestMessage)
        .toLowerCase()
        .match(/(?<![0-9a-z])[0-9a-f]{4,40}(?![0-9a-z])/g) ?? [],
    ),
  ].slice(0, mostNames);
}

const largestMessage = 16 * 1024;
const mostNames = 40;

/** Of a commit that is compared with others. */
const mostEdits = 1000;

/** A commit as what it changed, all paths of it. */
export interface Edited {
  readonly edits: readonly { readonly path: string; readonly from: string; readonly to: string }[];
}

/**
 * Which commits are the exact inverse of an earlier one, path by path.
 *
 * @param commits newest first
 */
export function exactInverses<C extends Edited>(commits: readonly C[]): ReadonlyMap<C, C> {
  const found = new Map<C, C>();
  const known = new Map<string, C>();
  for (const commit of commits.toReversed()) {
    if (commit.edits.length === 0 || commit.edits.length > mostEdits) continue;
    const key = (way: "there" | "back") =>
      JSON.stringify(commit.edits.map(({ path, from, to }) => (way === "there" ? [path, from, to] : [path, to, from])).toSorted());
    const earlier = known.get(key("back"));
    if (earlier !== undefined) found.set(commit, earlier);
    known.set(key("there"), commit);
  }
  return found;
}
