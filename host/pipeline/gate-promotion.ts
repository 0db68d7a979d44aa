import type { Environment } from "../../shared/names.ts";
import { lettersLost } from "../../shared/person-text.ts";
import { parseTag } from "../../shared/tags.ts";
import { desiredImage, overlayPath } from "../../verification/desired-image.ts";
import { shortImage } from "../../verification/image-reference.ts";
import { parseRecord, recordPath, type PromotionRecord } from "../../verification/promotion-record.ts";
import { lookAtRollout } from "../../verification/rollout.ts";
import type { Lab } from "./lab.ts";

/**
 * A record that changed must ask for what the pipeline built, and what the environment before is given by Git and runs, by
 * its immutable tag and its true digest.
 */
export async function refusePromotion(
  before: string,
  after: string,
  environment: Environment,
  previous: Environment,
  lab: Lab,
): Promise<string | undefined> {
  const { repository } = lab;
  const path = recordPath(environment);
  const [old, text] = await Promise.all([repository.readFile(before, path), repository.readFile(after, path)]);
  if (text === old) return undefined;
  if (text === undefined)
    return `${path} is deleted; it says what ${environment} is asked to run. Put it back with \`git checkout ${before.slice(0, 7)} -- ${path}\`.`;
  const parsed = parseRecord(text);
  const problem = "problem" in parsed ? parsed.problem : lettersLost(text);
  if (problem !== undefined || "problem" in parsed) return `${path} ${problem}.`;
  const { record } = parsed;
  // A record that asks for what the environment has at the same commit promotes nothing: a rollback may take it back.
  const desired = await desiredImage(repository, after, environment, lab.registry.repository);
  return desired?.digest === record.digest ? undefined : refuseRequest(record, after, environment, previous, lab);
}

async function refuseRequest(
  { tag, digest }: PromotionRecord,
  after: string,
  environment: Environment,
  previous: Environment,
  lab: Lab,
): Promise<string | undefined> {
  const path = recordPath(environment);
  const asks = `${path} asks for "${tag}"`;
  const family = parseTag(tag)?.environment;
  if (family === undefined) {
    return `${asks}, which is no immutable tag: a tag that can move says nothing of what was tested. Name the tag that ${previous} runs, ${previous}-v<version>-<revision>-<unix time>.`;
  }
  if (family !== previous) {
    const order = lab.environments.join(", then ");
    return `${asks}, an image of ${family}: ${environment} takes only what ${previous} runs. An image goes through ${order}; none is skipped.`;
  }
  const manifest = await lab.registryReader.manifest(tag);
  if (manifest === undefined) return `${asks}, and the registry has no such tag in ${lab.registry.repository}.`;
  if (manifest.digest !== digest) {
    return `${path} says that ${tag} is ${digest}, but the registry has ${manifest.digest} under that tag. Either the digest is mistyped or somebody pushed over the tag: look at what ${previous} runs with \`kubectl get deploy backend -n ${previous} -o wide\`.`;
  }
  const rollout = await lookAtRollout({ kube: lab.kube, registry: lab.registryReader, learner: { registry: lab.registry } }, previous);
  if (rollout.digest === undefined)
    return `${asks}, but ${previous} is not well: ${rollout.problem ?? "nothing runs there."} Promote when it is.`;
  if (rollout.digest !== digest)
    return `${asks} (${digest}), but ${previous} runs ${rollout.digest}: what did not run in ${previous} is not promoted to ${environment}.`;
  return refuseUnknownOrigin(asks, digest, after, environment, previous, lab);
}

/** What runs in an environment may have been put there by hand; then it runs, and yet nobody knows what it is. */
async function refuseUnknownOrigin(
  asks: string,
  digest: string,
  after: string,
  environment: Environment,
  previous: Environment,
  lab: Lab,
): Promise<string | undefined> {
  const { repository, registry } = lab;
  if (!(await lab.imageHistory(after)).isBuilt(digest)) {
    return `${asks} (${digest}), which the pipeline has not built: only what it built from a push of app/ is promoted. \`git log --notes=pipeline\` names what it built.`;
  }
  const named = await desiredImage(repository, after, previous, registry.repository);
  if (named?.digest === digest) return undefined;
  const names = named === undefined ? "no image" : shortImage(named);
  return `${asks} (${digest}), but ${overlayPath(previous)} names ${names}: ${previous} runs it without Git, and what Git did not bring to ${previous} is not promoted to ${environment}.`;
}
