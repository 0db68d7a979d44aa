import type { Environment } from "../shared/names.ts";
import { desiredImage } from "./desired-image.ts";
import type { GitReader } from "./git-reader.ts";
import { sameImage, type ImageReference } from "./image-reference.ts";
import type { JournalEntry } from "./journal.ts";
import { parseRecord, recordPath } from "./promotion-record.ts";

/**
 * What is known of a branch's images: which the pipeline made, and which it brought to an environment. It rests on the seed
 * and on the pipeline's journal alone, which no push changes; that a commit names an image says nothing, for anybody who
 * may push can make one, and take it back in the same push.
 */
export interface ImageHistory {
  /** Whether the pipeline built it from a push, or the lab was handed over with it. */
  isBuilt(digest: string): boolean;
  /** Every image that the seed or a promotion that was carried out has given an environment. */
  brought(environment: Environment): readonly ImageReference[];
}

/** The branch whose images are looked at. */
export interface ImageSources {
  readonly git: Pick<GitReader, "readFile">;
  /** Of the commits of the branch. */
  readonly journal: ReadonlyMap<string, readonly JournalEntry[]>;
  /** The seed commit. */
  readonly seed: string;
  /** In the order of promotion. */
  readonly environments: readonly Environment[];
  /** Of the learner's image. */
  readonly repository: string;
}

export async function readImageHistory({ git, journal, seed, environments, repository }: ImageSources): Promise<ImageHistory> {
  const built = new Set<string>();
  const brought = new Map<Environment, ImageReference[]>(environments.map((environment) => [environment, []]));
  const isOurs = ({ digest }: ImageReference) => digest !== undefined && built.has(digest);

  for (const environment of environments) {
    const image = await desiredImage(git, seed, environment, repository);
    if (image?.digest !== undefined) built.add(image.digest);
    if (image !== undefined) brought.get(environment)?.push(image);
    const record = parseRecord((await git.readFile(seed, recordPath(environment))) ?? "");
    if ("record" in record) built.add(record.record.digest);
  }
  const noted = [...journal].flatMap(([commit, entries]) => entries.map((entry) => ({ commit, entry })));
  for (const { entry } of noted) if (entry.event === "built") built.add(entry.digest);
  for (const { commit, entry } of noted) {
    if (entry.event !== "carried-out") continue;
    const image = await desiredImage(git, commit, entry.environment, repository);
    // An earlier version of the gate may have let something else be promoted.
    if (image !== undefined && isOurs(image)) brought.get(entry.environment)?.push(image);
  }
  return { isBuilt: (digest) => built.has(digest), brought: (environment) => brought.get(environment) ?? [] };
}

/** Whether an environment may name an image: one that it was brought before. */
export function wasBrought(history: ImageHistory, environment: Environment, image: ImageReference): boolean {
  return history.brought(environment).some((other) => sameImage(other, image));
}
