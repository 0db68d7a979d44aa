import { run } from "../../shared/exec.ts";
import { sizeText } from "../../shared/limits.ts";
import { boundedGit } from "../git/bounded-git.ts";
import { gitLines } from "../git/git-lines.ts";
import { LearnerError } from "../git/learner-error.ts";
import { oddPath, shownPath } from "../git/push-limits.ts";
import { gitEnvironment } from "../git/repository.ts";

/** A file of a tree, as Git has it. */
export interface TreeFile {
  readonly path: string;
  readonly mode: string;
  readonly bytes: number;
}

export interface ExtractBounds {
  readonly files: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

/** A program's source, or all that Flux reads. */
const defaultBounds: ExtractBounds = { files: 2000, bytes: 32 * 1024 * 1024 };

export interface TreeSource {
  readonly repository: string;
  readonly quarantine: Readonly<Record<string, string>>;
}

const timeoutMs = 60_000;
const refused = (sentence: string) => new LearnerError("tree-refused", sentence);

/** See `BareRepository.files`. */
export async function listTree(source: TreeSource, treeish: string, bounds: ExtractBounds = defaultBounds): Promise<TreeFile[]> {
  const read = { ...source, signal: AbortSignal.timeout(timeoutMs) };
  const files: TreeFile[] = [];
  for await (const entry of gitLines(read, ["ls-tree", "-r", "-z", "-l", "--full-tree", treeish], { separator: "\0" })) {
    const tab = entry.indexOf("\t");
    const [mode = "", , , size] = entry.subarray(0, tab).toString("latin1").split(/ +/);
    const path = entry.subarray(tab + 1);
    const wrong = oddPath(path);
    if (wrong !== undefined) throw refused(`${shownPath(path.toString("utf8"))} ${wrong}`);
    files.push({ path: path.toString("utf8"), mode, bytes: Number(size) || 0 });
    if (files.length > bounds.files)
      throw refused(`There are more than ${bounds.files} files, which is all that the lab takes. Take some out, and push again.`);
  }
  return files;
}

/** Why a file is not written to disk; undefined where it is. */
function faultOf({ path, mode }: TreeFile): string | undefined {
  const name = shownPath(path);
  if (mode === "120000")
    return `${name} is a symbolic link, and the lab follows none. Put a copy of the file in its place, and push again.`;
  if (mode === "160000") return `${name} is a submodule, and the lab fetches none. Put its files in its place, and push again.`;
  if (path.split("/").some((part) => /^\.{0,2}$|^\.git$/i.test(part)))
    return `${name} is no path that a checkout may have. Rename it, and push again.`;
  return undefined;
}

/** See `BareRepository.extract`. */
export async function extractTree(
  source: TreeSource,
  treeish: string,
  target: string,
  bounds: ExtractBounds = defaultBounds,
): Promise<void> {
  const files = await listTree(source, treeish, bounds);
  const fault = files.map(faultOf).find((found) => found !== undefined);
  if (fault !== undefined) throw refused(fault);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > bounds.bytes) {
    const largest = files.reduce((one, other) => (other.bytes > one.bytes ? other : one));
    throw refused(
      `The files have ${sizeText(bytes)} in all, and may have ${sizeText(bounds.bytes)}; the largest is ${shownPath(largest.path)} with ${sizeText(largest.bytes)}. Take out what is not needed, and push again.`,
    );
  }
  // No filter runs: attributes name them, and only a configuration says what they are. There is none.
  for (const args of [
    ["read-tree", treeish],
    ["checkout-index", "--all", `--prefix=${target}/`],
  ]) {
    const [command, all] = await boundedGit([`--git-dir=${source.repository}`, `--work-tree=${target}`, ...args], {
      "core.symlinks": "false",
    });
    await run(command, all, {
      env: { ...gitEnvironment(), ...source.quarantine, GIT_INDEX_FILE: `${target}.index` },
      stdin: "ignore",
      timeout: timeoutMs,
    });
  }
}
