import { isMap, isSeq } from "yaml";
import { LabError, messageOf } from "../../shared/errors.ts";
import type { Environment } from "../../shared/names.ts";
import { formatTag, newestTag, parseTag } from "../../shared/tags.ts";
import { editableYaml } from "../../shared/yaml.ts";
import { desiredImage, imageIn, overlayPath } from "../../verification/desired-image.ts";
import { parseRecord, promotionTrailer, proposalBranch, recordPath, type PromotionRecord } from "../../verification/promotion-record.ts";
import type { Say } from "../git/push.ts";
import { withRepository } from "../images/crane.ts";
import { appFolder, releaseOf, withImageOf } from "./build.ts";
import { commitAsPipeline } from "./carry-out.ts";
import type { Lab } from "./lab.ts";

/*
 * What the pipeline does is told from Git, the journal and the registry alone: each function looks at what the branch says,
 * finds what of it is not done yet, and does that. So it may be called after any push and at any start, and what a killed
 * daemon left undone is done by the next.
 */

/** Whether the branch was moved, which Flux is to be told of. */
export async function settle(lab: Lab, say: Say): Promise<boolean> {
  await build(lab, say);
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

/** Builds the app of the newest commit that changed it, unless that was done or tried before. */
async function build(lab: Lab, say: Say): Promise<void> {
  const { repository } = lab;
  const [commit, before] = await repository.commitsTouching(await tipOf(lab), appFolder, 2);
  // The seed's own app was built before there was a repository.
  if (commit === undefined || before === undefined) return;
  if ((await repository.journal(commit)).some(({ event }) => event === "built" || event === "build-failed")) return;
  const release = await releaseOf(`${commit}^`, commit, repository);
  if (release === undefined || "problem" in release) return;
  const { version } = release;
  const [environment] = lab.environments;
  say(`Building the backend ${version} from ${commit.slice(0, 7)}.`);
  try {
    const created = freshTime(await lab.tags(), environment!);
    const tag = formatTag({ environment: environment!, version, revision: commit.slice(0, 7), created });
    const digest = await withImageOf(commit, { version, created }, repository, lab.compile, (image) =>
      withRepository(lab.registry, async (client) => {
        await client.push(image.layout, image.digest);
        await client.tag(image.digest, tag);
        return image.digest;
      }),
    );
    await repository.note(commit, { event: "built", at: now(), version, tag, digest });
    say(`Built ${tag} (${digest}).`);
  } catch (error) {
    // The source's fault is the commit's for good; the lab's own is tried again.
    if (!(error instanceof LabError) || error.code !== "image-build-failed") throw error;
    await repository.note(commit, { event: "build-failed", at: now(), version, reason: error.message });
    say(`The build failed; no image was made. ${error.message}`);
  }
}

interface Promotion {
  /** The commit that last changed the record. */
  readonly commit: string;
  readonly record: PromotionRecord;
  /** The commit that carried it out; a promotion is carried out once, so that a revert of that commit holds. */
  readonly carriedOut: string | undefined;
}

async function currentPromotion(lab: Lab, environment: Environment): Promise<Promotion | undefined> {
  const { repository } = lab;
  const tip = await tipOf(lab);
  const [commit] = await repository.commitsTouching(tip, recordPath(environment), 1);
  const parsed = parseRecord((await repository.readFile(tip, recordPath(environment))) ?? "");
  if (commit === undefined || "problem" in parsed) return undefined;
  // A promotion of staging is none of production, though one commit may ask for both.
  const carriedOut = await repository.commitWithLine(tip, trailer(environment, commit));
  return { commit, record: parsed.record, carriedOut };
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
    const tags = await lab.tags();
    const newest = newestTag(tags, environment);
    if (newest !== undefined && (await registryReader.manifest(newest))?.digest === record.digest) return newest;
    const asked = parseTag(record.tag);
    if (asked === undefined) return undefined;
    const tag = formatTag({ ...asked, environment, created: freshTime(tags, environment) });
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
    `${present?.tag} -> ${proposed.tag}`,
    `${present?.digest} -> ${proposed.digest}`,
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

/** A time later than that of every tag of the family, so that the newest made is the newest by name. */
function freshTime(tags: readonly string[], environment: Environment): number {
  const newest = newestTag(tags, environment);
  return Math.max(Math.floor(Date.now() / 1000), newest === undefined ? 0 : (parseTag(newest)?.created ?? 0) + 1);
}
