import { parseRecord, recordPath } from "./promotion-record.ts";
import type { CheckContext } from "./types.ts";
import type { CommitWithPaths } from "./git-commits.ts";
import type { GitReader } from "./git-reader.ts";
import type { JournalEntry } from "./journal.ts";
import type { Environment } from "../shared/names.ts";

/** More commits than a learner makes. */
const limit = 5000;

/** A learner's branch together with what the pipeline noted about it, read once. */
export interface PromotionHistory {
  readonly git: GitReader;
  /** Newest first. */
  readonly commits: readonly CommitWithPaths[];
  readonly journal: ReadonlyMap<string, readonly JournalEntry[]>;
}

export async function readPromotionHistory({ git }: Pick<CheckContext, "git">): Promise<PromotionHistory> {
  const commits = await git.history(limit);
  return { git, commits, journal: await git.journal() };
}

/** The push that brought a commit to the branch: who authenticated, and when by the server's clock. */
export interface ReceivedPush {
  readonly by: string;
  readonly at: string;
}

/** Undefined where the pipeline noted none, as for the seed and for its own commits before the next push. */
export async function pushOf({ git, commits, journal }: PromotionHistory, commit: string): Promise<ReceivedPush | undefined> {
  const place = commits.findIndex(({ id }) => id === commit);
  // A push is noted at its tip: the first noted commit that comes after or is the one looked for.
  for (const { id } of commits.slice(0, place + 1).toReversed()) {
    const received = (journal.get(id) ?? []).find((entry) => entry.event === "received");
    if (received && (id === commit || (await git.isAncestor(commit, id)))) return { by: received.by, at: received.at };
  }
  return undefined;
}

/** An image that the pipeline built. */
export interface BuiltRelease {
  readonly commit: string;
  readonly version: string;
  readonly tag: string;
  readonly digest: string;
  readonly at: string;
}

/** Oldest first. */
export function builtReleases({ commits, journal }: PromotionHistory): BuiltRelease[] {
  return commits
    .toReversed()
    .flatMap(({ id }) =>
      (journal.get(id) ?? []).flatMap((entry) =>
        entry.event === "built" ? [{ commit: id, version: entry.version, tag: entry.tag, digest: entry.digest, at: entry.at }] : [],
      ),
    );
}

/** The commits that made an environment's record ask for an image, oldest first, with the tag that each named. */
export async function requestsFor(
  { git, commits }: PromotionHistory,
  environment: Environment,
  digest: string,
): Promise<{ readonly commit: string; readonly tag: string }[]> {
  const path = recordPath(environment);
  const requests: { commit: string; tag: string }[] = [];
  for (const { id, paths } of commits.toReversed()) {
    if (!paths.includes(path)) continue;
    const parsed = parseRecord((await git.readFile(id, path)) ?? "");
    if ("record" in parsed && parsed.record.digest === digest) requests.push({ commit: id, tag: parsed.record.tag });
  }
  return requests;
}

/** The commit with which the pipeline carried out what another asked for. */
export function carriedOutBy(
  { commits, journal }: PromotionHistory,
  environment: Environment,
  promotion: string,
): { readonly commit: string; readonly at: string } | undefined {
  for (const { id } of commits) {
    const entry = (journal.get(id) ?? []).find(
      (noted) => noted.event === "carried-out" && noted.environment === environment && noted.promotion === promotion,
    );
    if (entry) return { commit: id, at: entry.at };
  }
  return undefined;
}

/** Every tag that the pipeline made, with the time. */
export function tagsMade({ journal }: PromotionHistory): { readonly tag: string; readonly at: string }[] {
  return [...journal.values()]
    .flat()
    .flatMap((entry) => (entry.event === "built" || entry.event === "promoted" ? [{ tag: entry.tag, at: entry.at }] : []));
}
