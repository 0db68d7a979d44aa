import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** What a learner's images take of the registry's storage. */
export interface ImageUsage {
  /** Blobs, manifests and uploads begun, each blob once, with what the file system needs beside each. */
  readonly bytes: number;
  readonly repositories: number;
  /** Of all repositories together. */
  readonly tags: number;
}

/** Folders, a link and an inode or two: what the file system takes of a blob, a tag or an upload beside its content. */
export const overheadBytes = 16 * 1024;

/**
 * Looks through the storage of one learner, in the layout of distribution's filesystem driver: repositories hold links to
 * blobs that all share. What was deleted counts for as long as its blob is there.
 *
 * @param storage folder with `repositories` and `blobs`
 */
export async function imageUsage(storage: string, learner: string): Promise<ImageUsage> {
  const blobs = new Set<string>();
  let [bytes, repositories, tags] = [0, 0, 0];
  const walk = async (folder: string): Promise<void> => {
    const names = await namesIn(folder);
    if (names.some((name) => isOfRepository(name))) repositories += 1;
    for (const name of names) {
      const path = join(folder, name);
      if (name === "_layers") for (const digest of await digestsIn(path)) blobs.add(digest);
      else if (name === "_manifests") {
        for (const digest of await digestsIn(join(path, "revisions"))) blobs.add(digest);
        tags += (await namesIn(join(path, "tags"))).length;
      } else if (name === "_uploads") {
        for (const upload of await namesIn(path)) bytes += overheadBytes + (await sizeOf(join(path, upload, "data")));
      } else if (!isOfRepository(name)) await walk(path);
    }
  };
  await walk(join(storage, "repositories", learner));
  for (const blob of blobs) {
    const [algorithm = "", hex = ""] = blob.split(":");
    bytes += overheadBytes + (await sizeOf(join(storage, "blobs", algorithm, hex.slice(0, 2), hex, "data")));
  }
  return { bytes: bytes + tags * overheadBytes, repositories, tags };
}

/** Bytes that an upload has so far; 0 where there is none. */
export function uploadSize(storage: string, repository: string, upload: string): Promise<number> {
  return sizeOf(join(storage, "repositories", repository, "_uploads", upload, "data"));
}

/** Takes away what came in of an upload. The registry's own way would need the size that it has by now. */
export async function removeUpload(storage: string, repository: string, upload: string): Promise<void> {
  await rm(join(storage, "repositories", repository, "_uploads", upload), { recursive: true, force: true });
}

/** Whether anything was ever pushed to the repository. */
export async function isRepository(storage: string, repository: string): Promise<boolean> {
  return (await namesIn(join(storage, "repositories", repository))).some(isOfRepository);
}

export async function isTag(storage: string, repository: string, tag: string): Promise<boolean> {
  return (await namesIn(join(storage, "repositories", repository, "_manifests", "tags", tag))).length > 0;
}

const isOfRepository = (name: string) => ["_layers", "_manifests", "_uploads"].includes(name);

async function digestsIn(folder: string): Promise<string[]> {
  const found = (await namesIn(folder)).map(async (algorithm) =>
    (await namesIn(join(folder, algorithm))).map((hex) => `${algorithm}:${hex}`),
  );
  return (await Promise.all(found)).flat();
}

/** None where there is no such folder: what is looked at changes meanwhile. */
function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
