import { goDurationSeconds } from "../shared/go-duration.ts";
import { LabError } from "../shared/errors.ts";
import { fluxNamespace, type Environment } from "../shared/names.ts";
import { excerpt } from "../shared/printable.ts";
import { backendDeployment, backendName, noBackend } from "./backend-deployment.ts";
import { imageIn, overlayPath } from "./desired-image.ts";
import type { Commit } from "./git-commits.ts";
import type { GitReader } from "./git-reader.ts";
import { formatImage, sameImage, shortImage, type ImageReference } from "./image-reference.ts";
import type { JournalEntry } from "./journal.ts";
import { getLive, ImageUpdateAutomation, Kustomization } from "./live-objects.ts";
import { appsKustomization } from "./readiness.ts";
import { reversals } from "./reverts.ts";
import type { CheckContext } from "./types.ts";

/** A commit that gave an environment another image. */
export interface ImageChange {
  readonly commit: string;
  readonly author: string;
  readonly from: ImageReference;
  readonly to: ImageReference;
  /** When the branch got it, by the Git server's clock; undefined where that was not written down (yet). */
  readonly at: Date | undefined;
}

/** How far an environment is on the way promoted, reverted, held. */
export interface RollbackLook {
  /**
   * `none`: nothing was ever promoted. `promoted`: there is something to revert. `reverted`: it is taken back, and not yet
   * for long enough or not yet live. `undone`: it was taken back and came again too soon. `held`: it was taken back and
   * stayed so for long enough, whatever came later.
   */
  readonly stage: "none" | "promoted" | "reverted" | "undone" | "held";
  /** The change that is, or would be, taken back. */
  readonly promoted?: ImageChange;
  readonly revert?: ImageChange;
  /** How long the revert has stood, or stood until it was undone. */
  readonly heldSeconds?: number;
  /** Two intervals of the environment's image automation. */
  readonly neededSeconds: number;
  /** ISO 8601; when a rollback that stands has stood for long enough, and all there is to do is to wait. */
  readonly waitUntil?: string;
  readonly undoneBy?: ImageChange;
  /** The same for a reader. */
  readonly sentence: string;
}

/**
 * Looks whether an environment was rolled back by a commit that takes back what brought an image, and whether that
 * held for two intervals of image automation. Times are those of the Git server. Throws where it can't look.
 *
 * @param since reverts that the branch got before do not count
 */
export async function lookAtRollback(context: CheckContext, environment: Environment, since?: Date): Promise<RollbackLook> {
  const { git, learner } = context;
  const [neededSeconds, changes] = await Promise.all([
    requiredSeconds(context, environment),
    imageChanges(git, environment, learner.registry.repository),
  ]);
  const [latest] = changes;
  if (latest === undefined)
    return {
      stage: "none",
      neededSeconds,
      sentence: `No commit has promoted an image to ${environment}, so there is nothing to take back.`,
    };

  const taken = reversals(changes);
  const rollbacks = changes.flatMap((revert, index) => {
    const reversal = taken.get(revert);
    if (reversal?.isRollback !== true || (since !== undefined && (revert.at ?? new Date()) < since)) return [];
    const promoted: ImageChange = reversal.of;
    const next = changes[index - 1];
    // What a push brings and takes away again was never so.
    if (next?.at !== undefined && next.at.getTime() === revert.at?.getTime()) return [];
    const until = next === undefined ? new Date() : next.at;
    const heldSeconds = revert.at === undefined || until === undefined ? 0 : Math.max(0, (until.getTime() - revert.at.getTime()) / 1000);
    return [{ revert, promoted, next, heldSeconds, neededSeconds }];
  });
  const [newest] = rollbacks;
  if (newest === undefined)
    return { stage: "promoted", promoted: latest, neededSeconds, sentence: notReverted(environment, latest, taken.has(latest), since) };

  const current = newest.next === undefined ? newest : undefined;
  const problem = current && (await notLive(context, environment, current.revert));
  const held = rollbacks.find((rollback) => rollback.heldSeconds >= neededSeconds && !(rollback === current && problem !== undefined));
  if (held !== undefined) {
    const { next, ...rest } = held;
    const sentence = `${Short(held.revert)} took ${environment} back from ${shortImage(held.promoted.to)} to ${shortImage(held.revert.to)}, and that held for ${round(held.heldSeconds)} s (needed: ${round(neededSeconds)} s)${next === undefined ? "" : `, until ${short(next)}`}.`;
    return { stage: "held", ...rest, sentence };
  }
  const { next, ...rest } = newest;
  if (next !== undefined) {
    return {
      stage: "undone",
      ...rest,
      undoneBy: next,
      sentence: `${Short(newest.revert)} took ${environment} back, and ${round(newest.heldSeconds)} s later ${short(next)} by ${next.author} set ${shortImage(next.to)} again.`,
    };
  }
  const wait = `${Short(newest.revert)} took ${environment} back ${round(newest.heldSeconds)} s ago; it must hold for ${round(neededSeconds)} s, two intervals of image automation.`;
  if (problem !== undefined) return { stage: "reverted", ...rest, sentence: `${wait} ${problem}` };
  const { at } = newest.revert;
  const waitUntil = at && new Date(at.getTime() + neededSeconds * 1000).toISOString();
  return { stage: "reverted", ...rest, ...(waitUntil !== undefined && { waitUntil }), sentence: wait };
}

/** Every change of an environment's image on the branch, newest first. Throws where it can't look. */
export async function imageChanges(git: GitReader, environment: Environment, repository: string): Promise<readonly KnownChange[]> {
  const [commits, arrival, journal] = await Promise.all([git.changes(overlayPath(environment)), arrivals(git), git.journal()]);
  const changes: KnownChange[] = [];
  for (const { commit, before, after } of commits) {
    if (commit.parents.length === 0) continue;
    const [from, to] = [imageIn(before ?? "", repository), imageIn(after ?? "", repository)];
    if (!from || !to || sameImage(from, to)) continue;
    const isAutomatic = (journal.get(commit.id) ?? []).some(
      (entry) =>
        (entry.event === "carried-out" && entry.environment === environment) || (entry.event === "received" && entry.by.endsWith(".flux")),
    );
    changes.push({ commit: commit.id, author: commit.author, from, to, at: await arrival(commit.id), source: commit, isAutomatic });
  }
  return changes;
}

/**
 * When the branch got a commit: with the push whose tip it was, else with the first push whose tip contains it. Undefined
 * where the Git server wrote down no such push.
 */
export async function arrivals(git: GitReader): Promise<(commit: string) => Promise<Date | undefined>> {
  const arrival = await pushesOf(git);
  return async (commit) => (await arrival(commit))?.at;
}

/** A move of the branch that the Git server wrote down; a push says who authenticated, what the pipeline did itself does not. */
export interface Arrival {
  readonly at: Date;
  readonly by?: string | undefined;
}

/** The same with who brought it. */
export async function pushesOf(git: GitReader): Promise<(commit: string) => Promise<Arrival | undefined>> {
  const [journal, graph] = await Promise.all([git.journal(), git.graph()]);
  const arrived = new Map<string, Arrival>();
  // The branch only moves forward, so the tips stand in it in the order of the pushes, whatever the clock was at each.
  for (const tip of [...graph.keys()].toReversed()) {
    const arrival = arrivalIn(journal.get(tip) ?? []);
    if (arrival === undefined) continue;
    for (const next = [tip]; next.length > 0; ) {
      const commit = next.pop()!;
      if (arrived.has(commit)) continue;
      arrived.set(commit, arrival);
      next.push(...(graph.get(commit) ?? []));
    }
  }
  return async (commit) => arrived.get(commit);
}

function arrivalIn(entries: readonly JournalEntry[]): Arrival | undefined {
  const entry = entries.find(({ event }) => event === "received" || event === "carried-out");
  return entry && { at: new Date(entry.at), by: entry.event === "received" ? entry.by : undefined };
}

/** Two intervals of the environment's image automation, in seconds. */
export async function requiredSeconds({ kube }: Pick<CheckContext, "kube">, environment: Environment): Promise<number> {
  const automation = await getLive(kube, ImageUpdateAutomation, environment, backendName);
  const interval = automation && goDurationSeconds(automation.spec.interval);
  if (interval !== undefined) return 2 * interval;
  const why =
    automation === undefined
      ? "does not exist"
      : `has the interval ${JSON.stringify(excerpt(automation.spec.interval))}, which is no duration`;
  throw new LabError(
    "interval-unknown",
    `ImageUpdateAutomation ${environment}/${backendName} ${why}, so nothing says how long a rollback must hold. Look at \`flux get image update -n ${environment}\`.`,
  );
}

/** With what tells whether it takes an earlier one back, see `reversals`. */
export type KnownChange = ImageChange & { readonly source: Commit; readonly isAutomatic: boolean };

function notReverted(environment: Environment, latest: KnownChange, isRevert: boolean, since: Date | undefined): string {
  const what = `${short(latest)} by ${latest.author} gave ${environment} ${shortImage(latest.to)}`;
  return `No commit${since === undefined ? "" : ` since ${since.toISOString()}`} reverts what brought ${environment} its image. Last, ${what}${isRevert ? ", itself a revert" : ""}.`;
}

/** Why the cluster does not have what a commit set; undefined when it has. */
async function notLive(
  { kube, git, learner }: CheckContext,
  environment: Environment,
  { commit, to }: ImageChange,
): Promise<string | undefined> {
  const [kustomization, deployment] = await Promise.all([
    getLive(kube, Kustomization, fluxNamespace, appsKustomization(environment)),
    backendDeployment(kube, environment, learner.registry.repository),
  ]);
  const applied = kustomization?.status.lastAppliedRevision?.split("sha1:")[1];
  if (applied === undefined || !(await git.isAncestor(commit, applied)))
    return `Flux has applied ${applied ?? "nothing"} to ${environment}, which does not contain it.`;
  if (deployment === undefined) return noBackend(environment, learner.registry.repository);
  return sameImage(deployment.image, to)
    ? undefined
    : `The Deployment in ${environment} says ${formatImage(deployment.image)}, not what the revert set.`;
}

const short = ({ commit }: ImageChange) => `commit ${commit.slice(0, 7)}`;
const Short = (change: ImageChange) => short(change).replace("c", "C");
const round = (seconds: number) => Math.floor(seconds);
