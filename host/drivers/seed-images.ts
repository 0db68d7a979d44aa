import type { FileTree, Release } from "../../lab-templates/types.ts";
import { LabError, messageOf } from "../../shared/errors.ts";
import { passwordOf } from "../access.ts";
import type { Driver } from "../driver.ts";
import { buildImages, type Image } from "../images/build.ts";
import { withRepository, type ImageRepositoryClient, type RepositoryAccess } from "../images/crane.ts";

export interface SeedImagesInput extends RepositoryAccess {
  /** Source of the app: a Go module. */
  readonly app: FileTree;
  readonly releases: readonly SeedRelease[];
  /** The learner's access folder, for a registry on this host: the password is looked up there, since a rotation changes it. */
  readonly accessFolder?: string;
}

export interface SeedRelease extends Release {
  /** All of them come to name one digest. */
  readonly tags: readonly string[];
}

export interface SeedImagesOutput extends RepositoryAccess {
  /** Digest (`sha256:<hex>`) of each release, by version. */
  readonly digests: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly accessFolder?: string;
}

/** The images that a learner's registry path holds at hand-over. */
export const seedImages: Driver<SeedImagesInput, SeedImagesOutput, "seed-images"> = {
  name: "seed-images",
  replaceOn: ["repository"],
  creationOnly: ["username", "password"],

  async ensure({ app, releases, accessFolder, ...given }) {
    const access = await currentAccess(given, accessFolder);
    const images = await buildImages(app, releases);
    const digests = await withRepository(access, async (client) => {
      const present = new Set(await client.tags());
      return Promise.all(
        images.map(async (image) => [image.release.version, await ensureRelease(client, access.repository, present, image)] as const),
      );
    });
    return {
      id: access.repository,
      output: {
        ...access,
        ...(accessFolder !== undefined && { accessFolder }),
        digests: Object.fromEntries(digests),
        tags: releases.flatMap(({ tags }) => tags),
      },
    };
  },

  async read(_id, output) {
    // Whom the registry lets in no more has lost the image path, and with it what is there.
    if (output.accessFolder !== undefined && (await passwordOf(output.accessFolder, "registry", output.username)) === undefined)
      return undefined;
    try {
      const present = new Set(await withRepository(await currentAccess(output, output.accessFolder), (client) => client.tags()));
      return output.tags.every((tag) => present.has(tag)) ? output : undefined;
    } catch (error) {
      // Plain HTTP is loopback only: a registry on this machine that nobody serves is gone, not out of reach.
      if (output.insecure && messageOf(error).includes("connection refused")) return undefined;
      throw error;
    }
  },

  // The images go with their repository, which is a resource of its own.
  async remove() {},
};

async function currentAccess(
  { repository, username, password, insecure }: RepositoryAccess,
  folder: string | undefined,
): Promise<RepositoryAccess> {
  const current = folder === undefined ? undefined : await passwordOf(folder, "registry", username);
  return { repository, username, password: current ?? password, insecure };
}

/**
 * Makes every tag name one digest and returns it. A release that is there stays what it is and is only tagged: built by
 * another Go version the same source has another digest, and a release is never rebuilt.
 */
async function ensureRelease(
  client: ImageRepositoryClient,
  repository: string,
  present: ReadonlySet<string>,
  { release: { tags }, layout, digest: built }: Image<SeedRelease>,
): Promise<string> {
  const there = tags.filter((tag) => present.has(tag));
  const found = new Set(await Promise.all(there.map((tag) => client.digest(tag))));
  if (found.size > 1) {
    throw new LabError(
      "image-tag-moved",
      `In ${repository} the tags ${there.join(", ")} belong to one release and must name one digest, but they name ${[...found].join(", ")}: somebody pushed over an immutable tag. ` +
        "Nothing was changed. Put the wrong tag back with `crane tag <repository>@<digest> <tag>` and run the command again.",
    );
  }
  const [digest = built] = found;
  if (found.size === 0) await client.push(layout, digest);
  await Promise.all(tags.filter((tag) => !present.has(tag)).map((tag) => client.tag(digest, tag)));
  return digest;
}
