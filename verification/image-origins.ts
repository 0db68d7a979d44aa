import type { Environment } from "../shared/names.ts";
import { isOnLabHost } from "../shared/on-lab-host.ts";
import { overlayPath } from "./desired-image.ts";
import type { Commit } from "./git-commits.ts";
import { readImageHistory, type ImageHistory } from "./image-history.ts";
import type { Rollout } from "./rollout.ts";
import type { CheckContext } from "./types.ts";

/**
 * What runs in the environments that are promoted to and was not brought there by a promotion of what the pipeline built (or
 * by a revert of one, or by the seed), a sentence each, with the commit that named it first. Empty also where the pipeline is
 * none of the lab's: its journal can then be written by others.
 */
export async function unknownOrigins(context: CheckContext, rollouts: readonly Rollout[]): Promise<string[]> {
  const { git, learner, environments } = context;
  if (!isOnLabHost(learner.git)) return [];
  const history = await readImageHistory({
    git,
    journal: await git.journal(),
    seed: learner.git.seedCommit,
    environments,
    repository: learner.registry.repository,
  });
  const promoted = rollouts.filter(({ environment }) => environments.indexOf(environment) > 0);
  const told = await Promise.all(
    promoted.map(async ({ environment, digest, beside }) => {
      const running = [...(digest === undefined ? [] : [{ digest, who: environment }]), ...beside.map((one) => ({ ...one, who: one.pod }))];
      const sentences: string[] = [];
      for (const one of running) {
        if (await isKnown(context, history, environment, one.digest)) continue;
        sentences.push(await describe(context, history, environment, one.who, one.digest));
      }
      return sentences;
    }),
  );
  return [...new Set(told.flat())];
}

async function isKnown({ registry }: CheckContext, history: ImageHistory, environment: Environment, digest: string): Promise<boolean> {
  const brought = [...new Set(history.brought(environment).flatMap((image) => image.digest ?? []))];
  if (brought.includes(digest)) return true;
  // A runtime may report the digest of the platform's part.
  const manifests = await Promise.all(brought.map((one) => registry.manifest(one)));
  return manifests.some((manifest) => manifest?.parts.includes(digest));
}

async function describe(
  { git }: CheckContext,
  history: ImageHistory,
  environment: Environment,
  who: string,
  digest: string,
): Promise<string> {
  const why = history.isBuilt(digest)
    ? `which no promotion that was carried out has brought to ${environment}`
    : "which is neither the seed's nor built by the pipeline";
  const path = overlayPath(environment);
  const inOverlay = await git.introduced(digest, path);
  if (inOverlay !== undefined) return `${who} runs ${digest}, ${why}: ${named(inOverlay)} set it in ${path}.`;
  const elsewhere = await git.introduced(digest, ".");
  const where =
    elsewhere === undefined ? "no commit names it" : `${path} never named it; ${named(elsewhere)} was the first that did, elsewhere`;
  return `${who} runs ${digest}, ${why}: ${where}.`;
}

function named({ id, author }: Commit): string {
  return `commit ${id.slice(0, 7)} by ${author}`;
}
