import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { LabError } from "../shared/errors.ts";
import type { Download } from "./tool.ts";

const timeoutMs = 10 * 60 * 1000;

/** Hosts that did not answer; asking each again for every tool would cost a connect timeout apiece. */
const unreachable = new Set<string>();

/**
 * Downloads a release and puts its programs into the folder; a release that is no archive becomes the program `name`.
 * False when the release can't be had from here. Throws LabError `tool-digest` when what came is not what was pinned;
 * nothing is left in the folder then.
 */
export async function download(release: Download, name: string, folder: string): Promise<boolean> {
  const file = join(folder, "download");
  try {
    const digest = await save(release.url, file);
    if (digest === undefined) return false;
    if (digest !== release.sha256) {
      throw new LabError(
        "tool-digest",
        `${release.url} served something else than the pinned release of ${name}: SHA-256 ${digest} instead of ${release.sha256}. ` +
          "Nothing was installed. Find out what stands between this machine and the release, then run ./lab setup",
      );
    }
    if (release.members) await unpack(file, release.members, folder);
    else {
      await chmod(file, 0o755);
      await rename(file, join(folder, name));
    }
    return true;
  } finally {
    await rm(file, { force: true });
  }
}

/** Saves what the URL serves and returns its SHA-256; undefined when it can't be had. */
async function save(url: string, file: string): Promise<string | undefined> {
  const { host } = new URL(url);
  if (unreachable.has(host)) return undefined;
  const hash = createHash("sha256");
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok || !response.body) return undefined;
    const hashing = async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    };
    await pipeline(response.body, hashing, createWriteStream(file));
  } catch (error) {
    // A full disk and the like are no matter of the network.
    if (isSystemError(error)) throw error;
    unreachable.add(host);
    return undefined;
  }
  return hash.digest("hex");
}

/** Errors of the file system carry the call that failed; those of fetch are TypeErrors with a cause. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && "path" in error;
}

async function unpack(archive: string, members: readonly string[], folder: string): Promise<void> {
  const wanted = new Set(members);
  const entries = extract();
  const reading = pipeline(createReadStream(archive), createGunzip(), entries);
  for await (const entry of entries) {
    if (wanted.delete(entry.header.name.replace(/^\.\//, ""))) {
      await pipeline(entry, createWriteStream(join(folder, basename(entry.header.name)), { mode: 0o755 }));
    } else entry.resume();
  }
  await reading;
  if (wanted.size > 0) throw new Error(`${archive} has no ${[...wanted].join(", ")}`);
}
