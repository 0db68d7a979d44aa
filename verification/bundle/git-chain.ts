import type { Environment } from "../../shared/names.ts";
import { desiredImage, overlayPath } from "../desired-image.ts";
import { revertedBy, type CommitWithPaths, type GitReader } from "../git-reader.ts";
import { sameImage, type ImageReference } from "../image-reference.ts";
import { promotionTrailer, recordPath } from "../promotion-record.ts";
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
  const commits: ChainCommit[] = [];
  // One after the other: each look is a process.
  for (const commit of history.slice(0, limit)) {
    const changes = await imageChanges(git, commit, environments, repository);
    const { id, parents, author, email, date, subject } = commit;
    const reverts = revertedBy(commit);
    const carriesOut = requestOf(commit);
    commits.push({
      id,
      parents: [...parents],
      author,
      email,
      date,
      subject,
      kind: classify(commit, changes, environments),
      ...(reverts && { reverts }),
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
 * What a commit is, by what it changed:
 * - `seed` has no parent; `revert` names the commit that it reverts;
 * - `request` changes what an environment is asked to run, and no image;
 * - `promotion` gives each environment it changes the digest that the environment before it had;
 * - `image-update` changes images in overlays otherwise, and no other file;
 * - `learner` is everything else.
 */
export function classify(
  commit: Pick<CommitWithPaths, "parents" | "paths" | "body">,
  changes: readonly ImageChange[],
  environments: readonly Environment[],
): CommitKind {
  if (commit.parents.length === 0) return "seed";
  if (revertedBy(commit)) return "revert";
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
