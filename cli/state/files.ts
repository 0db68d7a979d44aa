import { glob, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";

/*
 * What Pulumi's file backend keeps, by its own program: pkg/backend/diy of Pulumi 3.259, store.go, state.go and lock.go. A
 * checkpoint is replaced in one step; a file's `.attrs` beside it is not, and neither survives a power loss for certain.
 */
const project = "gitops-lab";

/** The places of one cohort in the folder of a file backend. */
export interface StatePlaces {
  /** Where the checkpoints of all cohorts are. */
  readonly stacks: string;
  /** The checkpoint, where it is not compressed. */
  readonly checkpoint: string;
  readonly tags: string;
  readonly locks: string;
  readonly history: string;
  readonly backups: string;
}

export function statePlaces(backend: string, cohort: string): StatePlaces {
  const own = (...path: string[]) => join(backend, ".pulumi", ...path);
  return {
    stacks: own("stacks", project),
    checkpoint: own("stacks", project, `${cohort}.json`),
    tags: own("stacks", project, `${cohort}.pulumi-tags`),
    locks: own("locks", "organization", project, cohort),
    history: own("history", project, cohort),
    backups: own("backups", project, cohort),
  };
}

/** All files of a cohort in a file backend, as a pattern below its folder. */
export function stateFiles(cohort: string): string {
  return `.pulumi/{backups,history,locks,stacks}/{organization/,}${project}/{${cohort},${cohort}.json*,${cohort}.pulumi-tags*}`;
}

/** The cohorts that have a checkpoint in the folder of a file backend, whatever is in it. */
export async function cohortsInState(backend: string): Promise<string[]> {
  const files = await readdir(statePlaces(backend, "any").stacks).catch(() => []);
  return [...new Set(files.flatMap((file) => /^(.+)\.json(?:\.gz|\.zst)?$/.exec(file)?.[1] ?? []))].sort();
}

/** The files of a folder by their paths; none where it does not exist. */
export async function filesIn(folder: string, pattern = "*"): Promise<string[]> {
  return (await Array.fromAsync(glob(pattern, { cwd: folder }))).map((path) => join(folder, path));
}

/** The content of a file that Pulumi wrote as JSON, compressed or not; undefined if the file is cut off, or gone. */
export async function readWhole(path: string): Promise<object | undefined> {
  try {
    const value: unknown = JSON.parse(inflate(await readFile(path)).toString("utf8"));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What must not be read is not for that cut off.
    if (code === "EACCES" || code === "EPERM" || code === "EIO") throw error;
    return undefined;
  }
}

/** A cohort's checkpoint as Pulumi wrote it, perhaps compressed; undefined if there is none that is whole. */
export async function readCheckpoint(backend: string, cohort: string): Promise<object | undefined> {
  const { checkpoint } = statePlaces(backend, cohort);
  return (await readWhole(checkpoint)) ?? (await readWhole(`${checkpoint}.gz`)) ?? readWhole(`${checkpoint}.zst`);
}

/** What came of the last operation on a cohort that Pulumi's history has whole; undefined where it has none. */
export async function lastResult(backend: string, cohort: string): Promise<string | undefined> {
  // Their names have the time in nanoseconds.
  const files = (await filesIn(statePlaces(backend, cohort).history, "*.history.json{,.gz,.zst}")).sort();
  for (const file of files.reverse()) {
    const entry = await readWhole(file);
    if (entry !== undefined) return (entry as { readonly result?: string }).result;
  }
  return undefined;
}

function inflate(content: Buffer): Buffer {
  if (content[0] === 0x1f && content[1] === 0x8b) return gunzipSync(content);
  return content.length >= 4 && content.readUInt32LE(0) === 0xfd2fb528 ? zstdDecompressSync(content) : content;
}
