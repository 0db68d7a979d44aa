import { resetUsername, type Environment } from "../shared/names.ts";
import { isOnLabHost } from "../shared/on-lab-host.ts";
import { desiredImage } from "./desired-image.ts";
import { imageChanges, pushesOf, type KnownChange } from "./held-rollback.ts";
import { readImageHistory, wasBrought } from "./image-history.ts";
import { sameImage, type ImageReference } from "./image-reference.ts";
import type { CheckContext } from "./types.ts";

/** Where an environment stands by its branch alone, whatever the cluster does. */
export interface Standing {
  readonly environment: Environment;
  /** The branch's tip. */
  readonly head: string;
  /** What the tip asks for. */
  readonly asked: ImageReference | undefined;
  /** Every change of the environment's image, newest first. */
  readonly changes: readonly KnownChange[];
  /** The newest change that gave what the tip asks for; undefined where that is the seed's, or no change gave it. */
  readonly latest: KnownChange | undefined;
  /** The newest promotion that was carried out. */
  readonly promotion: KnownChange | undefined;
  /**
   * `none`: nothing was promoted, and the seed's image stands. `promoted`: the newest promotion's image stands. `rolled-back`:
   * the branch went back to an image that the environment had before. `unknown`: it asks for something that no promotion brought.
   */
  readonly kind: "none" | "promoted" | "rolled-back" | "unknown";
}

const looks = new WeakMap<CheckContext, Map<Environment, Promise<Standing>>>();

/** Looks once for all checks that share a context. Throws where it can't look. */
export function standingOf(context: CheckContext, environment: Environment): Promise<Standing> {
  const looked = looks.get(context) ?? new Map<Environment, Promise<Standing>>();
  looks.set(context, looked);
  let standing = looked.get(environment);
  if (standing === undefined) looked.set(environment, (standing = look(context, environment)));
  return standing;
}

async function look(context: CheckContext, environment: Environment): Promise<Standing> {
  const { git, learner } = context;
  const { repository } = learner.registry;
  const head = await git.head();
  const [asked, changes] = await Promise.all([
    desiredImage(git, head, environment, repository),
    imageChanges(git, environment, repository),
  ]);
  const latest = asked && changes.find(({ to }) => sameImage(to, asked));
  const promotion = await newestPromotion(context, environment, changes);
  const seen = { environment, head, asked, changes, latest, promotion };
  if (asked === undefined) return { ...seen, kind: "unknown" };
  if (promotion !== undefined && sameImage(promotion.to, asked)) return { ...seen, kind: "promoted" };
  if (!(await wasThere(context, environment, asked, changes, latest))) return { ...seen, kind: "unknown" };
  return { ...seen, kind: promotion === undefined ? "none" : "rolled-back" };
}

/** Whether a pipeline of the lab's own brings images there, whose journal nobody else writes. */
function isJournalTrue({ learner, environments }: CheckContext, environment: Environment): boolean {
  return isOnLabHost(learner.git) && environment !== environments[0];
}

/**
 * By the pipeline's journal where that is the lab's own. Elsewhere, and in the environment that takes every build, also what
 * brought an image for the first time.
 */
async function newestPromotion(
  context: CheckContext,
  environment: Environment,
  changes: readonly KnownChange[],
): Promise<KnownChange | undefined> {
  const { git, learner } = context;
  const journal = await git.journal();
  const isCarriedOut = ({ commit }: KnownChange) =>
    (journal.get(commit) ?? []).some((entry) => entry.event === "carried-out" && entry.environment === environment);
  const older = (index: number) => changes.slice(index + 1);
  if (!isJournalTrue(context, environment))
    return changes.find((change, index) => isCarriedOut(change) || !hadBefore(change.to, change.from, older(index)));

  const pusher = await pushesOf(git);
  for (const [index, change] of changes.entries()) {
    if (isCarriedOut(change)) return change;
    // The reset of a drill commits anew what brought an image, so that it is the newest again.
    const isReplay = older(index).some((one) => isCarriedOut(one) && sameImage(one.from, change.from) && sameImage(one.to, change.to));
    if (isReplay && (await pusher(change.commit))?.by === resetUsername(learner.id)) return change;
  }
  return undefined;
}

/** Whether the environment had an image before the branch went back to it. */
async function wasThere(
  context: CheckContext,
  environment: Environment,
  image: ImageReference,
  changes: readonly KnownChange[],
  latest: KnownChange | undefined,
): Promise<boolean> {
  const { git, learner, environments } = context;
  if (latest === undefined && changes.length > 0) return false;
  if (!isJournalTrue(context, environment)) {
    if (latest === undefined) return true;
    return hadBefore(image, latest.from, changes.slice(changes.indexOf(latest) + 1));
  }
  const { repository } = learner.registry;
  const history = await readImageHistory({
    git,
    journal: await git.journal(),
    seed: learner.git.seedCommit,
    environments,
    repository,
  });
  return wasBrought(history, environment, image);
}

function hadBefore(image: ImageReference, from: ImageReference, older: readonly KnownChange[]): boolean {
  return [from, ...older.flatMap((change) => [change.from, change.to])].some((one) => sameImage(one, image));
}
