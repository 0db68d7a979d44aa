import { isMap, isSeq } from "yaml";
import { LabError, messageOf } from "../../shared/errors.ts";
import type { Environment } from "../../shared/names.ts";
import { formatTag, freshTime, newestTag, parseTag } from "../../shared/tags.ts";
import { editableYaml } from "../../shared/yaml.ts";
import { desiredImage, imageIn, overlayPath } from "../../verification/desired-image.ts";
import { parseRecord, promotionTrailer, proposalBranch, recordPath, type PromotionRecord } from "../../verification/promotion-record.ts";
import { excerpt } from "../../shared/printable.ts";
import type { Say } from "../git/push.ts";
import { seedRef } from "../git/repository.ts";
import { withRepository } from "../images/crane.ts";
import { appBuilds, nothingToBuild, tagOfVersion, versionTaken } from "./app-builds.ts";
import { appFolder, releaseOf, withImageOf } from "./build.ts";
import { commitAsPipeline } from "./carry-out.ts";
import type { Lab } from "./lab.ts";

/*
 * What the pipeline does is told from Git, the journal and the registry alone: each function looks at what the branch says,
 * finds what of it is not done yet, and does that. So it may be called after any push and at any start, and what a killed
 * daemon left undone is done by the next.
 */

/**
 * Whether the branch was moved, which Flux is to be told of.
 *
 * @param before the branch's tip before the push that is acted on; who pushed it is told also why nothing is done
 */
export async function settle(lab: Lab, say: Say, before?: string): Promise<boolean> {
  // A repository that was not seeded yet.
  if ((await tipOf(lab)) === "") return false;
  await build(lab, say, before);
  let moved = false;
  for (const environment of lab.environments.slice(1)) {
    const promotion = await currentPromotion(lab, environment);
    if (promotion === undefined) continue;
    const tag = await promote(lab, environment, promotion, say);
    moved = (await takeProposal(lab, environment, promotion, tag, say)) || moved;
  }
  return moved;
}

const now = () => new Date().toISOString();
const tipOf = async ({ repository }: Lab) => (await repository.resolve(`refs/heads/${await repository.branch()}`)) ?? "";

/**
 * Builds the app of the branch's tip, unless that very app was built or tried before. Whichever commits of a push brought it,
 * and in whatever order: only what they come to is looked at.
 */
async function build(lab: Lab, say: Say, before: string | undefined): Promise<void> {
  const { repository } = lab;
  const tip = await tipOf(lab);
  const { source, commits, done } = await appBuilds(tip, lab);
  const [commit] = commits;
  if (source === undefined || commit === undefined) return;
  const isChanged = before !== undefined && (await repository.resolve(`${before}:${appFolder}`)) !== source;
  const tell = (line: string) => (isChanged ? say(line) : undefined);
  const known = done.get(source);
  if (known !== undefined) return tell(nothingToBuild(known));
  const release = await releaseOf(commit, repository);
  if ("problem" in release) return tell(release.problem);
  const { version } = release;
  const environment = lab.environments[0]!;
  const tags = await tagsWithRoom(lab, environment, say);
  const taken = tagOfVersion(tags, environment, version);
  // One of this very source may be ours: whoever was killed after the push of the image has not written it down.
  const own = parseTag(taken ?? "");
  const isOwn = own !== undefined && commits.some((one) => one.startsWith(own.revision));
  if (taken !== undefined && !isOwn) return tell(versionTaken(version, taken));

  const revision = own?.revision ?? commit.slice(0, 7);
  say(`Building the backend ${version} from ${revision}.`);
  try {
    const created = own?.created ?? freshTime(tags, environment).created;
    const tag = taken ?? formatTag({ environment, version, revision, created });
    const from = commits.find((one) => one.startsWith(revision)) ?? commit;
    const digest = await withImageOf(from, { version, created }, repository, lab.compile, async (image) => {
      if (taken !== undefined) return image.digest;
      return withRepository(lab.registry, async (client) => {
        await client.push(image.layout, image.digest);
        await client.tag(image.digest, tag);
        return image.digest;
      });
    });
    // The same source, version and time give the same image: one that somebody else has put there is another.
    if (taken !== undefined && (await lab.registryReader.manifest(taken))?.digest !== digest) return tell(versionTaken(version, taken));
    await repository.note(from, { event: "built", at: now(), version, tag, digest });
    say(`Built ${tag} (${digest}).`);
  } catch (error) {
    // The source's fault is the commit's for good; the lab's own is tried again.
    if (!(error instanceof LabError) || error.code !== "image-build-failed") throw error;
    await repository.note(commit, { event: "build-failed", at: now(), version, reason: error.message });
    say(`The build failed; no image was made. ${error.message}`);
  }
}

/** The image's tags without those that leave no room for a newer one, which are taken away. */
async function tagsWithRoom(lab: Lab, environment: Environment, say: Say): Promise<readonly string[]> {
  const tags = await lab.tags();
  const { inTheWay } = freshTime(tags, environment);
  for (const tag of inTheWay) {
    await withRepository(lab.registry, (client) => client.untag(tag));
    say(`The tag ${tag} is taken away: after its time no tag has room for a later one, so nothing newer would ever have been picked.`);
  }
  return tags.filter((tag) => !inTheWay.includes(tag));
}

interface Promotion {
  /** The commit that asks for it. */
  readonly commit: string;
  readonly record: PromotionRecord;
  /** The commit that carried it out; a promotion is carried out once, so that a revert of that commit holds. */
  readonly carriedOut: string | undefined;
}

async function currentPromotion(lab: Lab, environment: Environment): Promise<Promotion | undefined> {
  const { repository } = lab;
  const tip = await tipOf(lab);
  const [commit] = await repository.commitsTouching(await askedSince(tip, lab, environment), recordPath(environment), 1);
  const parsed = parseRecord((await repository.readFile(tip, recordPath(environment))) ?? "");
  if (commit === undefined || "problem" in parsed) return undefined;
  // A promotion of staging is none of production, though one commit may ask for both.
  const carriedOut = await repository.commitWithLine(tip, trailer(environment, commit));
  return { commit, record: parsed.record, carriedOut };
}

/**
 * The tip since which the branch has asked for what it asks for now. A push that changes a record and changes it back asks for
 * nothing: it is no new promotion, which would undo a rollback.
 */
async function askedSince(tip: string, { repository, flux }: Lab, environment: Environment): Promise<string> {
  const noted = [...(await flux.journal(tip))].flatMap(([commit, entries]) =>
    commit !== tip && entries.some(({ event }) => event === "received" || event === "carried-out") ? [commit] : [],
  );
  const tips = [tip, ...noted, seedRef];
  const records = await repository.resolveAll(tips.map((commit) => `${commit}:${recordPath(environment)}`));
  const other = records.findIndex((record) => record !== records[0]);
  return tips[other < 0 ? tips.length - 1 : other - 1]!;
}

const trailer = (environment: Environment, commit: string) => `${promotionTrailer}: ${environment} ${commit}`;

/** Gives the image that is asked for a tag of the environment, and returns it; undefined where there is nothing to do. */
async function promote(
  lab: Lab,
  environment: Environment,
  { commit, record, carriedOut }: Promotion,
  say: Say,
): Promise<string | undefined> {
  if (carriedOut !== undefined || (await isThere(lab, environment, record))) return undefined;
  const { repository, registryReader } = lab;
  try {
    const tags = await tagsWithRoom(lab, environment, say);
    const newest = newestTag(tags, environment);
    if (newest !== undefined && (await registryReader.manifest(newest))?.digest === record.digest) return newest;
    const asked = parseTag(record.tag);
    if (asked === undefined) return undefined;
    const tag = formatTag({ ...asked, environment, created: freshTime(tags, environment).created });
    await withRepository(lab.registry, (client) => client.tag(record.digest, tag));
    await repository.note(commit, { event: "promoted", at: now(), environment, tag, digest: record.digest });
    say(
      `Promoted to ${environment}: ${record.tag} is now also ${tag}, the same image (${record.digest}). Image automation brings it to ${overlayPath(environment)}.`,
    );
    return tag;
  } catch (error) {
    const reason = messageOf(error);
    await repository.note(commit, { event: "promotion-failed", at: now(), environment, reason });
    say(`The promotion to ${environment} failed: ${reason} Push any commit to try again.`);
    return undefined;
  }
}

/** Whether the environment has the image already, under a tag that still names it. */
async function isThere(lab: Lab, environment: Environment, { digest }: PromotionRecord): Promise<boolean> {
  const image = await desiredImage(lab.repository, await tipOf(lab), environment, lab.registry.repository);
  return image?.digest === digest && image.tag !== undefined && (await lab.registryReader.manifest(image.tag))?.digest === digest;
}

/**
 * Takes what image automation proposes for an environment onto the branch, when it is what the current promotion asks for
 * and that was not carried out before. Anything else stays a proposal. Returns whether the branch was moved.
 */
async function takeProposal(lab: Lab, environment: Environment, promotion: Promotion, tag: string | undefined, say: Say): Promise<boolean> {
  const { repository, registry } = lab;
  const branch = proposalBranch(environment);
  const proposal = await repository.resolve(`refs/heads/${branch}`);
  if (proposal === undefined) return false;
  const proposed = await desiredImage(repository, proposal, environment, registry.repository);
  const present = await desiredImage(repository, await tipOf(lab), environment, registry.repository);
  if (proposed?.tag === undefined || proposed.digest === undefined) return false;
  if (proposed.tag === present?.tag && proposed.digest === present.digest) {
    await repository.deleteBranch(branch, proposal);
    return false;
  }
  if (tag === undefined || proposed.tag !== tag || proposed.digest !== promotion.record.digest) {
    await hold(lab, environment, promotion, proposed.tag, say);
    return false;
  }
  const message = [
    `Update backend in ${environment}`,
    "",
    // What stood there may be anybody's words, and a line of its own would be one of the pipeline's.
    `${excerpt(present?.tag ?? "no tag")} -> ${excerpt(proposed.tag)}`,
    `${excerpt(present?.digest ?? "no digest")} -> ${excerpt(proposed.digest)}`,
    "",
    trailer(environment, promotion.commit),
  ].join("\n");
  // Somebody may push at the same time; the branch only moves forward.
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const tip = await tipOf(lab);
    const overlay = await repository.readFile(tip, overlayPath(environment));
    const content = overlay && withImage(overlay, registry.repository, proposed.tag, proposed.digest);
    if (content === undefined || content === "") return false;
    const commit = await commitAsPipeline(repository, {
      branch: await repository.branch(),
      parent: tip,
      path: overlayPath(environment),
      content,
      message,
      entry: { event: "carried-out", at: now(), environment, promotion: promotion.commit },
    });
    if (commit === undefined) continue;
    await repository.deleteBranch(branch, proposal);
    say(`${environment} gets ${proposed.tag} with commit ${commit.slice(0, 7)}.`);
    return true;
  }
  throw new Error(`the branch moved five times while ${proposed.tag} was to be committed`);
}

async function hold(
  { repository }: Lab,
  environment: Environment,
  { commit, record, carriedOut }: Promotion,
  tag: string,
  say: Say,
): Promise<void> {
  const reason =
    carriedOut === undefined
      ? `${recordPath(environment)} asks for ${record.digest}, not for what this tag names`
      : `promotion ${commit.slice(0, 7)} was carried out with ${carriedOut.slice(0, 7)}, once and for all; what came after stands`;
  const told = (await repository.journal(commit)).some(
    (entry) => entry.event === "held" && entry.environment === environment && entry.tag === tag && entry.reason === reason,
  );
  if (told) return;
  await repository.note(commit, { event: "held", at: now(), environment, tag, reason });
  say(`${tag} is kept out of ${environment}: ${reason}.`);
}

/** The overlay with another image and everything else, comments included, as it was; undefined where it has none. */
export function withImage(overlay: string, repository: string, tag: string, digest: string): string | undefined {
  const document = editableYaml(overlay);
  const images = document.get("images");
  if (!isSeq(images)) return undefined;
  const index = images.items.findIndex((image) => isMap(image) && (image.get("newName") ?? image.get("name")) === repository);
  if (index < 0) return undefined;
  document.setIn(["images", index, "newTag"], tag);
  document.setIn(["images", index, "digest"], digest);
  const changed = document.toString({ lineWidth: 0 });
  // YAML that was odd before may be read as something else when it is written anew.
  const image = imageIn(changed, repository);
  return image?.tag === tag && image.digest === digest ? changed : undefined;
}
