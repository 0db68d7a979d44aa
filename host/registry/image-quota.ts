import { setTimeout as delay } from "node:timers/promises";
import { imageUsage, isRepository, isTag, overheadBytes, removeUpload, uploadSize, type ImageUsage } from "./image-usage.ts";
import type { OfRepository } from "./asked.ts";
import type { Meter } from "./forward.ts";
import type { Refusal } from "./refusal.ts";
import { log } from "../log.ts";

/** What a learner's images may take. Sizes are in bytes. */
export interface ImageLimits {
  /** The largest blob. */
  readonly layer: number;
  /** All of a learner's repositories together. */
  readonly images: number;
  readonly repositories: number;
  /** Of all repositories together. */
  readonly tags: number;
}

/** Larger ones are refused by distribution itself and by other registries. */
export const largestManifest = 4 * 1024 * 1024;
/** What no cohort file says: a lab has two repositories, and a tag for each build and each promotion. */
export const mostNames = { repositories: 20, tags: 2000 } as const;

/** Storage is looked through again before somebody is refused, but not for every request of somebody who goes on and on. */
const lookAgainMs = 5_000;
/** Of one limit, whoever goes on against it. */
const takeBackAfterMs = 1_000;
const tellAgainMs = 60_000;

export interface ImageQuotaOptions {
  /** Folder with the registry's `repositories` and `blobs`. */
  readonly storage: string;
  readonly limits: () => Promise<ImageLimits>;
  /** Told of refusals, of the same at most once a minute. @param limit the field of `limits` in the cohort file, or what else there is a limit of */
  readonly onRefused: (learner: string, limit: string, said: string) => void;
}

/** A learner's usage as it was seen last, and what was added since; rather too much than too little. */
interface Reckoning {
  readonly seen: ImageUsage;
  readonly seenAt: number;
  addedBytes: number;
  /** By name: several requests at once may begin the same. */
  readonly addedRepositories: Set<string>;
  readonly addedTags: Set<string>;
}

const used = {
  bytes: ({ seen, addedBytes }: Reckoning) => seen.bytes + addedBytes,
  repositories: ({ seen, addedRepositories }: Reckoning) => seen.repositories + addedRepositories.size,
  tags: ({ seen, addedTags }: Reckoning) => seen.tags + addedTags.size,
} as const;

/** Holds every learner's images within the limits, as they are pushed. What one learner pushes is nothing to the others. */
export class ImageQuota {
  readonly #options: ImageQuotaOptions;
  readonly #told = new Map<string, number>();
  readonly #reckonings = new Map<string, Promise<Reckoning>>();

  constructor(options: ImageQuotaOptions) {
    this.#options = options;
  }

  /** Why a request that writes is refused, or a meter for its body. Not for requests that the registry would refuse. */
  async admit(asked: OfRepository, length: number | undefined): Promise<Refusal | Meter> {
    const { storage } = this.#options;
    const { learner, name, kind, reference } = asked;
    const { layer, images, repositories, tags } = await this.#options.limits();
    const isNew = !(await this.#reckoning(learner)).addedRepositories.has(name) && !(await isRepository(storage, name));
    if (isNew && (await this.#isBeyond(learner, "repositories", repositories - 1)))
      return this.#refusal(
        learner,
        "repositories",
        "DENIED",
        `A learner may have ${repositories} image repositories, and ${name} would be one more. Use one that is there.`,
      );
    const tag = kind === "manifest" && reference !== undefined && !reference.includes(":") ? reference : undefined;
    const isNewTag =
      tag !== undefined && !(await this.#reckoning(learner)).addedTags.has(`${name}:${tag}`) && !(await isTag(storage, name, tag));
    if (isNewTag && (await this.#isBeyond(learner, "tags", tags - 1)))
      return this.#refusal(
        learner,
        "tags",
        "DENIED",
        `A learner's images may have ${tags} tags, and ${reference} would be one more. Use one that is there, or ask the instructor to reset the lab.`,
      );

    const begun = kind === "upload" && reference !== undefined ? await uploadSize(storage, name, reference) : 0;
    const [most, limit, what] = kind === "manifest" ? [largestManifest, "manifest", "A manifest"] : [layer, "layer", "A layer of an image"];
    const tooLarge = () =>
      this.#refusal(learner, limit, "SIZE_INVALID", `${what} may have ${inMiB(most)}, and this one has more. Make it smaller.`);
    const tooMuch = () =>
      this.#refusal(
        learner,
        "disk.images",
        "DENIED",
        `A learner's images may take ${inMiB(images)} in the registry, and with this they would take more. Push less, or ask the instructor to raise \`limits.disk.images\` in the cohort file or to reset the lab.`,
      );
    if (length !== undefined && begun + length > most) return tooLarge();
    if (await this.#isBeyond(learner, "bytes", images - (length ?? 0))) return tooMuch();

    const reckoning = await this.#reckoning(learner);
    if (isNew) reckoning.addedRepositories.add(name);
    if (isNewTag) reckoning.addedTags.add(`${name}:${tag}`);
    reckoning.addedBytes += overheadBytes;
    let passed = begun;
    return (bytes) => {
      passed += bytes;
      reckoning.addedBytes += bytes;
      return passed > most ? tooLarge() : used.bytes(reckoning) > images ? tooMuch() : undefined;
    };
  }

  /** Takes away what came in of an upload whose meter refused it; where that fails, the registry's own cleaning does. */
  async takeBack({ kind, name, learner, reference }: OfRepository): Promise<void> {
    if (kind !== "upload" || reference === undefined) return;
    // The registry notes how far it came when it sees that its client has gone.
    await delay(takeBackAfterMs);
    await removeUpload(this.#options.storage, name, reference).catch((error: unknown) =>
      log("error", "a refused upload was not removed", { error }),
    );
    this.forget(learner);
  }

  /** Looks anew at what a learner has: something was taken away. */
  forget(learner: string): void {
    this.#reckonings.delete(learner);
  }

  async #isBeyond(learner: string, what: keyof typeof used, most: number): Promise<boolean> {
    const reckoning = await this.#reckoning(learner);
    if (used[what](reckoning) <= most) return false;
    if (performance.now() - reckoning.seenAt < lookAgainMs) return true;
    this.forget(learner);
    return used[what](await this.#reckoning(learner)) > most;
  }

  #reckoning(learner: string): Promise<Reckoning> {
    let reckoning = this.#reckonings.get(learner);
    if (reckoning === undefined) this.#reckonings.set(learner, (reckoning = this.#look(learner)));
    return reckoning;
  }

  async #look(learner: string): Promise<Reckoning> {
    const seen = await imageUsage(this.#options.storage, learner);
    return { seen, seenAt: performance.now(), addedBytes: 0, addedRepositories: new Set(), addedTags: new Set() };
  }

  #refusal(learner: string, limit: string, code: "DENIED" | "SIZE_INVALID", message: string): Refusal {
    const told = `${learner} ${limit}`;
    if (performance.now() - (this.#told.get(told) ?? Number.NEGATIVE_INFINITY) >= tellAgainMs) {
      this.#told.set(told, performance.now());
      this.#options.onRefused(learner, limit, message);
    }
    return { status: code === "SIZE_INVALID" ? 413 : 403, code, message };
  }
}

const inMiB = (bytes: number) => `${Math.round(bytes / 1024 / 102.4) / 10} MiB`;
