import type { Environment } from "../../shared/names.ts";
import { formatTag, parseTag } from "../../shared/tags.ts";
import { seedRef } from "../git/repository.ts";
import { appFolder } from "./build.ts";
import type { Lab } from "./lab.ts";

/** What became of the source of one app. */
export interface AppBuild {
  /** Commit that has it; undefined where it is the seed's. */
  readonly commit: string | undefined;
  readonly outcome: "seeded" | "built" | "build-failed";
  /** Tag of the image that was made. */
  readonly tag?: string;
}

/** The app of a branch's tip, and what was done with every app that the branch ever had. */
export interface AppBuilds {
  /** Object id of the app's folder at the tip; undefined where there is none. */
  readonly source: string | undefined;
  /** The commits whose app is that of the tip, newest first. */
  readonly commits: readonly string[];
  /** By the object id of the app's folder. One that was never a tip, or whose build was never tried, is not in it. */
  readonly done: ReadonlyMap<string, AppBuild>;
}

/**
 * What the journal says was done with the app. That some commit has an app says nothing: of the commits of a push only what they
 * bring together is built.
 */
export async function appBuilds(tip: string, { repository, flux }: Pick<Lab, "repository" | "flux">): Promise<AppBuilds> {
  const [commits, journal] = await Promise.all([repository.commitsTouching(tip, appFolder), flux.journal(tip)]);
  const [source, seed, ...trees] = await repository.resolveAll([tip, seedRef, ...commits].map((commit) => `${commit}:${appFolder}`));
  const done = new Map<string, AppBuild>();
  // The oldest first: of several commits with one app it is the first that was built.
  for (const [index, commit] of [...commits.entries()].toReversed()) {
    const tree = trees[index];
    const entry = (journal.get(commit) ?? []).find(({ event }) => event === "built" || event === "build-failed");
    if (tree === undefined || entry === undefined || done.get(tree)?.outcome === "built") continue;
    done.set(tree, entry.event === "built" ? { commit, outcome: "built", tag: entry.tag } : { commit, outcome: "build-failed" });
  }
  // The seed's own app was built before there was a repository.
  if (seed !== undefined) done.set(seed, { commit: undefined, outcome: "seeded" });
  return { source, commits: source === undefined ? [] : commits.filter((_, index) => trees[index] === source), done };
}

/** Why nothing is built of an app that is there again, as a sentence. */
export function nothingToBuild({ commit, outcome, tag }: AppBuild): string {
  if (outcome === "seeded")
    return `${appFolder}/ is as it was when the lab was handed over; that image is there, and nothing is made anew.`;
  const where = `${appFolder}/ is as it was at commit ${commit?.slice(0, 7)}`;
  return outcome === "built"
    ? `${where}, and its image ${tag} is there; nothing is made anew.`
    : `${where}, which could not be built; nothing is made of it. Change it, and push again.`;
}

/** The tag that a version is taken by; undefined where it is free. */
export function tagOfVersion(tags: readonly string[], environment: Environment, version: string): string | undefined {
  const taken = tags.map(parseTag).find((tag) => tag?.environment === environment && tag.version === version);
  return taken && formatTag(taken);
}

/** Other source under a version that was built is another image with the same name. */
export const versionTaken = (version: string, tag: string) =>
  `app/ changed, but its version is still ${version}, which is built already (${tag}): one version is one image, never rebuilt. Raise app/VERSION in the same push.`;
