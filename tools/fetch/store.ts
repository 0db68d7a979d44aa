import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { LabError } from "../../shared/errors.ts";
import { locked } from "../../shared/locked.ts";
import { moduleSum } from "./module-zip.ts";
import { fetchInto, sizeOf, type Fetching } from "./transfer.ts";

/*
 * What has been downloaded and is not installed yet, each file by its digest, the half ones as `.part`. A set-up that ends in the
 * middle leaves it, and the next one goes on from there; one that comes to its end takes away what it has used.
 */

/** A file that somebody serves. */
export interface Wanted {
  /** The tool it is for, as a person knows it. */
  readonly what: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** SHA-256 in hexadecimal, or Go's `h1:…` of a module's zip. */
  readonly digest: string;
  readonly maxBytes?: number;
}

const gib = 1024 ** 3;
/** An hour, as for a tool: another set-up may be fetching the same. */
const waitSeconds = 3600;

/**
 * Fetches a file, unless it is there, and does something with it while nobody else has a hand on it. Undefined when it can't be had
 * from here. Throws LabError `tool-digest` when what came is not what was pinned; nothing of it is kept then.
 */
export async function withFile<T>(wanted: Wanted, fetching: Fetching, use: (file: string) => Promise<T>): Promise<T | undefined> {
  await mkdir(fetching.store, { recursive: true });
  fetching.used.add(wanted.digest);
  const file = join(fetching.store, nameOf(wanted.digest));
  return locked(
    file,
    async () => {
      if (!(await bring(wanted, file, fetching))) return undefined;
      return use(file);
    },
    waitSeconds,
  );
}

/** The name of a file in the store, and in the meter. */
export const nameOf = (digest: string) => digest.replace(/^h1:/, "h1-").replaceAll("/", "_");

async function bring(wanted: Wanted, file: string, fetching: Fetching): Promise<boolean> {
  const label = nameOf(wanted.digest);
  if ((await sizeOf(file)) > 0) {
    if ((await digestOf(file, wanted.digest)) === wanted.digest) {
      fetching.meter.have(label, await sizeOf(file));
      return true;
    }
    await rm(file);
  }
  const part = `${file}.part`;
  const source = { url: wanted.url, maxBytes: wanted.maxBytes ?? 2 * gib, ...(wanted.headers && { headers: wanted.headers }) };
  for (;;) {
    const had = await sizeOf(part);
    if (!(await fetchInto(part, source, fetching, label))) return false;
    const found = await digestOf(part, wanted.digest);
    if (found === wanted.digest) {
      await rename(part, file);
      return true;
    }
    await rm(part, { force: true });
    // What an earlier run left may be of something else; from the beginning it has to be right.
    if (had === 0) throw wrongDigest(wanted, found);
  }
}

/** The file's digest of the same kind as the one it is compared with. */
async function digestOf(file: string, like: string): Promise<string> {
  if (like.startsWith("h1:")) return moduleSum(file).catch(() => "h1: of no zip archive");
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

export function wrongDigest({ url, what, digest }: Wanted, found: string): LabError {
  const kind = digest.startsWith("h1:") ? "a sum of" : "SHA-256";
  return new LabError(
    "tool-digest",
    `${url} served something else than the pinned release of ${what}: ${kind} ${found} instead of ${digest}. ` +
      "Nothing was installed. Find out what stands between this machine and the release, then run ./lab setup",
  );
}

const weekMs = 7 * 24 * 3600 * 1000;

/** Takes away what a set-up that has come to its end had fetched, and what others left a week ago. */
export async function clearStore(store: string, digests: Iterable<string>): Promise<void> {
  const used = new Set([...digests].map(nameOf));
  for (const name of await readdir(store).catch(() => [])) {
    if (name.includes(".lock")) continue;
    const file = join(store, name);
    const age = Date.now() - ((await stat(file).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (used.has(name) || age > weekMs) await locked(join(store, name.replace(/\.part$/, "")), () => rm(file, { force: true }));
  }
}
