import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { excerpt } from "../../shared/printable.ts";
import { makeScratchFolder } from "../../shared/scratch.ts";
import { layoutDigest, writeLayout } from "../images/layout.ts";
import { buildModule, toolchain } from "../images/program.ts";
import type { BareRepository } from "./bare-repository.ts";

/** Where the app's source is, and the file in it that names its version. */
export const appFolder = "app";
const versionFile = `${appFolder}/VERSION`;

/** A build that can't be waited for: a cold cache compiles the standard library first. */
const buildTimeoutSeconds = 180;

export interface BuildRequest {
  /** Semantic version without `v`. */
  readonly version: string;
}

/**
 * What a change of the branch asks to be built: undefined where the app is as it was, or as it was at some commit before
 * (a revert needs no new image). A `problem` where the version can't be told.
 */
export async function releaseOf(
  before: string,
  after: string,
  repository: BareRepository,
): Promise<BuildRequest | { readonly problem: string } | undefined> {
  const tree = (commit: string) => repository.resolve(`${commit}:${appFolder}`);
  const [old, next] = await Promise.all([tree(before), tree(after)]);
  if (next === old) return undefined;
  if (next === undefined)
    return {
      problem: `${appFolder}/ is deleted; it is the source of the backend. Put it back with \`git checkout ${before.slice(0, 7)} -- ${appFolder}\`.`,
    };
  for (const commit of await repository.commitsTouching(before, appFolder)) if ((await tree(commit)) === next) return undefined;
  const version = (await repository.readFile(after, versionFile))?.trim() ?? "";
  // A tag has no room for more, and all of it must fit into one.
  if (!/^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$/.test(version))
    return { problem: `${versionFile} must hold the app's version, such as 0.3.0; it holds ${JSON.stringify(excerpt(version))}.` };
  return { version };
}

export interface BuiltImage {
  readonly digest: string;
  /** Folder with an OCI image layout. */
  readonly layout: string;
}

/**
 * Builds the image of the app at a commit and lends it. Go runs no code of the module while it compiles, links lead
 * nowhere, and no module is downloaded. Throws LabError `image-build-failed` with the compiler's words.
 */
export async function withImageOf<T>(
  commit: string,
  release: { readonly version: string; readonly created: number },
  repository: BareRepository,
  use: (image: BuiltImage) => Promise<T>,
): Promise<T> {
  const folder = await makeScratchFolder("build");
  try {
    const [module, program, layout] = [join(folder, "module"), join(folder, "backend"), join(folder, "image")];
    await mkdir(module);
    await repository.extract(`${commit}:${appFolder}`, module);
    const tools = await toolchain();
    await buildModule(module, tools, program, buildTimeoutSeconds);
    await writeLayout(layout, await readFile(program), { ...release, revision: commit.slice(0, 7), arch: tools.arch });
    return await use({ layout, digest: await layoutDigest(layout) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
