import type { Environment } from "../../shared/names.ts";
import { desiredImage, overlayPath } from "../desired-image.ts";
import type { CommitWithPaths } from "../git-commits.ts";
import type { GitReader } from "../git-reader.ts";
import { imageChanges as changesOf } from "../held-rollback.ts";
import { sameImage, type ImageReference } from "../image-reference.ts";
import { promotionTrailer, recordPath } from "../promotion-record.ts";
import { commitNames, exactInverses, reversals } from "../reverts.ts";
import type { ChainCommit, CommitKind } from "./schema.ts";

/** What a commit changed in one environment. */
export interface ImageChange {
  readonly environment: Environment;
  readonly from?: ImageReference | undefined;
  readonly to?: ImageReference | undefined;
  /** The image that the environment before asked for at the commit's first parent. */
  readonly stageBefore?: ImageReference | undefined;
}

/** The newest commits of a branch with what each did to the environments' images; newest first. */
export async function gitChain(
  git: GitReader,
  limit: number,
  environments: readonly Environment[],
  repository: string,
): Promise<{ commits: ChainCommit[]; truncated: boolean }> {
  const [history, journal] = await Promise.all([git.history(limit + 1), git.journal()]);
  const reverts = await revertsAmong(git, history, environments, repository);
  const commits: ChainCommit[] = [];
  // One after the other: each look is a process.
  for (const commit of history.slice(0, limit)) {
    const changes = await imageChanges(git, commit, environments, repository);
    const { id, parents, author, email, date, subject } = commit;
    const undone = reverts.get(id);
    const carriesOut = requestOf(commit);
    commits.push({
      id,
      parents: [...parents],
      author,
      email,
      date,
      subject,
      kind: undone === undefined ? classify(commit, changes, environments) : "revert",
      ...(undone && { reverts: undone }),
      ...(carriesOut && { carriesOut }),
      changes: changes.map(({ environment, from, to }) => ({ environment, from, to })),
      journal: [...(journal.get(id) ?? [])],
    });
  }
  return { commits, truncated: history.length > limit };
}

async function imageChanges(
  git: GitReader,
  { id, parents, paths }: CommitWithPaths,
  environments: readonly Environment[],
  repository: string,
): Promise<ImageChange[]> {
  const [parent] = parents;
  const image = async (commit: string | undefined, environment: Environment | undefined) =>
    commit && environment && desiredImage(git, commit, environment, repository);
  const changes: ImageChange[] = [];
  for (const [index, environment] of environments.entries()) {
    if (!paths.includes(overlayPath(environment))) continue;
    const [from, to] = [(await image(parent, environment)) || undefined, (await image(id, environment)) || undefined];
    if (from && to ? sameImage(from, to) : from === to) continue;
    changes.push({ environment, from, to, stageBefore: (await image(parent, environments[index - 1])) || undefined });
  }
  return changes;
}

/**
 * What each revert among some commits takes back, by what it does: an environment's image, or all that an earlier commit
 * changed. Image automation that writes an image again has not reverted anything, and neither has who asks for one again.
 *
 * @param history newest first
 */
async function revertsAmong(
  git: GitReader,
  history: readonly CommitWithPaths[],
  environments: readonly Environment[],
  repository: string,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const automatic = new Set<string>();
  const inverses = exactInverses(history);
  const all = [...(await git.graph()).keys()].toSorted();
  let looks = mostLooks;
  for (const environment of environments) {
    const changes = await changesOf(git, environment, repository);
    const taken = reversals(changes);
    for (const change of changes) {
      if (change.isAutomatic) automatic.add(change.commit);
      const reversal = taken.get(change);
      if (reversal === undefined || found.has(change.commit)) continue;
      const isNamed = commitNames(`${change.source.subject}\n${change.source.body}`).some((name) => reversal.of.commit.startsWith(name));
      if (isNamed || reversal.isRollback) found.set(change.commit, reversal.of.commit);
    }
  }
  for (const commit of history) {
    if (found.has(commit.id) || automatic.has(commit.id) || commit.parents.length === 0) continue;
    const names = commitNames(`${commit.subject}\n${commit.body}`);
    const named = names
      .flatMap((name) => theOne(all, name) ?? [])
      .filter((id) => id !== commit.id && !commit.parents.slice(1).includes(id));
    const inverse = inverses.get(commit);
    const earlier = named.find((id) => id === inverse?.id) ?? (await firstUndone(named));
    if (earlier !== undefined) found.set(commit.id, earlier);
    else if (inverse !== undefined && !environments.some((name) => touches(commit, overlayPath(name), recordPath(name))))
      found.set(commit.id, inverse.id);

    async function firstUndone(candidates: readonly string[]): Promise<string | undefined> {
      for (const id of candidates) {
        if ((looks -= 1) < 0) return undefined;
        if (await git.undoes(commit.id, id)) return id;
      }
      return undefined;
    }
  }
  return found;
}

/** Each is some processes; messages of others may name as many commits as they like. */
const mostLooks = 60;

const touches = ({ paths }: CommitWithPaths, ...any: readonly string[]) => any.some((path) => paths.includes(path));

/** The commit that an id in short names; undefined where there is none, or more than one. */
function theOne(sorted: readonly string[], name: string): string | undefined {
  let [first, end] = [0, sorted.length];
  while (first < end) {
    const middle = Math.floor((first + end) / 2);
    if (sorted[middle]! < name) first = middle + 1;
    else end = middle;
  }
  const [id, next] = [sorted[first], sorted[first + 1]];
  return id?.startsWith(name) && !next?.startsWith(name) ? id : undefined;
}

/**
 * What a commit that reverts nothing is, by what it changed:
 * - `seed` has no parent;
 * - `request` changes what an environment is asked to run, and no image;
 * - `promotion` gives each environment it changes the digest that the environment before it had;
 * - `image-update` changes images in overlays otherwise, and no other file;
 * - `learner` is everything else.
 */
export function classify(
  commit: Pick<CommitWithPaths, "parents" | "paths">,
  changes: readonly ImageChange[],
  environments: readonly Environment[],
): CommitKind {
  if (commit.parents.length === 0) return "seed";
  const records = environments.map(recordPath);
  if (changes.length === 0 && commit.paths.some((path) => records.includes(path))) return "request";
  const overlays = environments.map(overlayPath);
  if (changes.length === 0 || commit.paths.some((path) => !overlays.includes(path))) return "learner";
  const promotes = changes.every(({ to, stageBefore }) => to?.digest !== undefined && to.digest === stageBefore?.digest);
  return promotes ? "promotion" : "image-update";
}

/** The request that a commit's trailer says it carries out. */
function requestOf({ body }: Pick<CommitWithPaths, "body">): string | undefined {
  return new RegExp(`^${promotionTrailer}: \\S+ ([0-9a-f]{40})$`, "m").exec(body)?.[1];
}
