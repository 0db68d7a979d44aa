import { chmod, copyFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { takeImageFile } from "./fetch/image-file.ts";
import { withFile } from "./fetch/store.ts";
import { takeMembers } from "./fetch/tar-members.ts";
import { takeToolchain } from "./fetch/take-module.ts";
import type { Fetching } from "./fetch/transfer.ts";
import type { Arch, Download, FileRelease } from "./tool.ts";

/** The architecture that releases are published for; undefined where this machine has another, or another system. */
export function archHere(): Arch | undefined {
  return process.platform === "linux" ? ({ x64: "amd64", arm64: "arm64" } as const)[process.arch as "x64" | "arm64"] : undefined;
}

/**
 * Downloads a release and puts its programs into the folder; a release that is no archive becomes the program `name`.
 * False when the release can't be had from here. Throws LabError `tool-digest` when what came is not what was pinned;
 * nothing is left in the folder then.
 */
export async function download(
  release: Download,
  name: string,
  folder: string,
  fetching: Fetching,
  env: NodeJS.ProcessEnv,
  say: (activity: string) => void = () => {},
): Promise<boolean> {
  if ("goToolchain" in release) return takeToolchain(release, folder, env, fetching, say);
  if ("image" in release) {
    const arch = archHere();
    return arch !== undefined && takeImageFile(release, arch, name, folder, fetching);
  }
  return takeFile(release, name, folder, fetching);
}

/** A word for where a release comes from. */
export function originOf(release: Download): string {
  if ("goToolchain" in release) return `the module golang.org/toolchain ${release.goToolchain.version}`;
  return "image" in release ? `${release.image}@${release.digest}` : release.url;
}

async function takeFile(release: FileRelease, name: string, folder: string, fetching: Fetching): Promise<boolean> {
  const { url, sha256: digest, members } = release;
  const taken = await withFile({ what: name, url, digest }, fetching, async (file) => {
    if (members) {
      const missing = await takeMembers(file, "gzip", members, folder);
      if (missing.length > 0) throw new Error(`${url} has no ${missing.join(", ")}`);
    } else {
      const path = join(folder, name);
      // The store is on the same disk but where somebody has put a mount between them.
      await rename(file, path).catch(() => copyFile(file, path));
      await chmod(path, 0o755);
    }
    return true;
  });
  return taken ?? false;
}
