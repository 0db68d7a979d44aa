import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import type { FileTree } from "../../lab-templates/types.ts";
import { LabError } from "../../shared/errors.ts";
import { runThrownAway } from "../room/thrown-away.ts";
import { buildJob, type BuildRoom } from "./toolchain.ts";

/** A program, or why there is none: the compiler's words about the module's files, or a sentence. */
export type Built = { readonly program: Buffer } | { readonly words: string } | { readonly fault: string };

export interface BuildLimits {
  readonly seconds: number;
  readonly memoryBytes: number;
  readonly programBytes: number;
}

export const buildLimits: BuildLimits = { seconds: 60, memoryBytes: 512 * 1024 ** 2, programBytes: 32 * 1024 ** 2 };

/**
 * Builds a static Linux program from a Go module that needs no other modules, given as a tar. Nothing of the module runs:
 * Go compiles without running what it compiles, `go build` ignores `go:generate` and tests, and what is not Go is refused.
 * Nothing of the caller's Go settings has a say, so the same source and toolchain give the same bytes.
 */
export async function buildModule(module: Uint8Array, room: BuildRoom, limits: BuildLimits = buildLimits): Promise<Built> {
  const { seconds, memoryBytes, programBytes } = limits;
  const outcome = await runThrownAway({
    ...(await buildJob(room)),
    input: module,
    scratch: { "/tmp": Math.floor(memoryBytes / 2) },
    limits: { seconds, memoryBytes, processes: 64, outputBytes: programBytes, fileBytes: 2 * programBytes },
  });
  const megabytes = (bytes: number) => `${Math.floor(bytes / 1024 ** 2)} MiB`;
  if (outcome.end === "too-long") return { fault: `The build takes longer than ${seconds} s.` };
  if (outcome.end === "too-much-output") return { fault: `The program is larger than ${megabytes(programBytes)}.` };
  if (outcome.end === "killed") return { fault: `The build needs more memory than ${megabytes(memoryBytes)}.` };
  switch (outcome.exitCode) {
    case 0:
      return { program: outcome.stdout };
    case 1:
      return { words: outcome.stderr };
    case 2:
    case 3:
      return { fault: outcome.stderr.trim() };
    default:
      throw new Error(`lab-build ended with ${outcome.exitCode}: ${outcome.stderr.slice(0, 2000)}`);
  }
}

/** The files of a folder as a tar, for `buildModule`. Whoever made the folder has looked at the sizes. */
export async function tarOf(folder: string): Promise<Buffer> {
  const tar = pack();
  const content = buffer(tar);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    tar.entry({ name: relative(folder, path), mtime: new Date(0) }, await readFile(path));
  }
  tar.finalize();
  return content;
}

/** Builds the lab's own source; what it says is for the instructor. `target` appears complete or not at all. */
export async function buildProgram(source: FileTree, target: string): Promise<void> {
  const tar = pack();
  for (const [path, text] of Object.entries(source)) tar.entry({ name: path, mtime: new Date(0) }, text);
  tar.finalize();
  const built = await buildModule(await buffer(tar), "none");
  if (!("program" in built)) {
    const why = "words" in built ? built.words : built.fault;
    throw new LabError("image-build-failed", `go build failed: ${why} Check the Go installation with \`go version\`.`);
  }
  const draft = `${target}.draft-${process.pid}`;
  try {
    await writeFile(draft, built.program, { mode: 0o755 });
    await rename(draft, target);
  } finally {
    await rm(draft, { force: true });
  }
}
