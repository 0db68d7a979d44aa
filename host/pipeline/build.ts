import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { sizeText } from "../../shared/limits.ts";
import { excerpt } from "../../shared/printable.ts";
import { textFault } from "../../shared/person-text.ts";
import { makeScratchFolder } from "../../shared/scratch.ts";
import { LearnerError } from "../git/learner-error.ts";
import { shownPath } from "../git/push-limits.ts";
import { layoutDigest, writeLayout } from "../images/layout.ts";
import { tarOf, type Built } from "../images/program.ts";
import { toolchain } from "../images/toolchain.ts";
import { faultOfFiles, faultOfGo, faultOfModule } from "./app-source.ts";
import type { BareRepository } from "./bare-repository.ts";
import { wordsForLearner } from "./compiler-words.ts";
import type { TreeFile } from "./source-tree.ts";
import { log } from "../log.ts";

/** Where the app's source is, and the file in it that names its version. */
export const appFolder = "app";
const versionFile = `${appFolder}/VERSION`;

/** What the app at a commit asks to be built as: a semantic version without `v`. A `problem` where that can't be told. */
export async function releaseOf(
  commit: string,
  repository: BareRepository,
): Promise<{ readonly version: string } | { readonly problem: string }> {
  const version = versionIn((await repository.readFile(commit, versionFile)) ?? "");
  if (typeof version !== "string") return version;
  const problem = await faultOfSource(commit, repository, await repository.files(`${commit}:${appFolder}`));
  return problem === undefined ? { version } : { problem };
}

function versionIn(text: string): string | { readonly problem: string } {
  const version = text.replace(/^\uFEFF/, "").trim();
  // A tag has no room for more, and all of it must fit into one.
  if (/^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$/.test(version)) return version;
  const encoding = textFault(text);
  if (encoding !== undefined) return { problem: `${versionFile} ${encoding}.` };
  return { problem: `${versionFile} must hold the app's version, such as 0.3.0; it holds ${JSON.stringify(excerpt(version))}.` };
}

/** What of the app at a commit is not built, without having it on disk. */
async function faultOfSource(commit: string, repository: BareRepository, files: readonly TreeFile[]): Promise<string | undefined> {
  const fault = faultOfFiles(files);
  const module = fault === undefined ? await repository.readFile(commit, `${appFolder}/go.mod`) : undefined;
  if (module === undefined) return fault;
  const encoding = textFault(module);
  if (encoding !== undefined) return `${appFolder}/go.mod ${encoding}.`;
  return faultOfModule(
    module,
    (await toolchain()).goVersion,
    files.some(({ path }) => path === "vendor/modules.txt"),
  );
}

export interface BuiltImage {
  readonly digest: string;
  /** Folder with an OCI image layout. */
  readonly layout: string;
}

/** The daemon has the program in memory, and once more as a layer, while it is made an image. */
const largestProgram = 64 * 1024 * 1024;

/**
 * Builds the image of the app at a commit and lends it. Go runs no code of the module while it compiles, there are no links
 * in it, and no module is downloaded. Throws LearnerError `image-build-failed` where the source is at fault, with the
 * compiler's words about the module's own files.
 *
 * @param largestLayer of an image, in bytes
 */
export async function withImageOf<T>(
  commit: string,
  release: { readonly version: string; readonly created: number },
  repository: BareRepository,
  compile: (module: Uint8Array) => Promise<Built>,
  use: (image: BuiltImage) => Promise<T>,
  largestLayer = largestProgram,
): Promise<T> {
  const folder = await makeScratchFolder("build");
  try {
    const [module, layout] = [join(folder, "module"), join(folder, "image")];
    await mkdir(module);
    const files = await extractApp(commit, repository, module);
    const tools = await toolchain();
    const built = await compile(await tarOf(module));
    if ("fault" in built) throw failure(built.fault);
    if ("words" in built) throwForLearner(built.words, files);
    const { program } = built;
    const size = program.length;
    const most = Math.min(largestProgram, largestLayer);
    if (size > most)
      throw failure(
        `The program has ${sizeText(size)}, and may have ${sizeText(most)}. Take large constants and embedded files out of it.`,
      );
    await writeLayout(layout, program, { ...release, revision: commit.slice(0, 7), arch: tools.arch });
    return await use({ layout, digest: await layoutDigest(layout) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes the app's source to a folder and returns its files. */
async function extractApp(commit: string, repository: BareRepository, module: string): Promise<string[]> {
  try {
    const files = await repository.files(`${commit}:${appFolder}`);
    const fault = await faultOfSource(commit, repository, files);
    if (fault !== undefined) throw failure(fault);
    await repository.extract(`${commit}:${appFolder}`, module);
    for (const { path } of files) {
      if (!path.endsWith(".go")) continue;
      const text = await readFile(join(module, path), "utf8");
      const encoding = textFault(text);
      const wrong = encoding === undefined ? faultOfGo(path, text) : `${appFolder}/${shownPath(path)} ${encoding}.`;
      if (wrong !== undefined) throw failure(wrong);
    }
    return files.map(({ path }) => path);
  } catch (error) {
    throw error instanceof LearnerError ? failure(error.message) : error;
  }
}

const failure = (sentence: string, cause?: unknown) => new LearnerError("image-build-failed", sentence, { cause });

/** The compiler's failure as it is told to the learner; whole it is in the lab's log. */
function throwForLearner(said: string, files: readonly string[]): never {
  const words = wordsForLearner(said, files);
  if (words === undefined) log("error", "the compiler said nothing of the app", { said: said.slice(0, 4000) });
  throw failure(
    words ??
      "The compiler says nothing of the app's files; your instructor sees what it says in the lab's log. Does it build with `go build` on your machine?",
  );
}
