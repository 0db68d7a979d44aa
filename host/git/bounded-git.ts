import { toolPath } from "../../tools/locate.ts";

const MiB = 1024 * 1024;

/**
 * Address space of one Git process. What learners push decides how much Git wants: a delta of some bytes may stand for
 * gigabytes, and Git holds what is not streamed in memory as a whole.
 */
const gitMemoryBytes = 640 * MiB;

/**
 * How Git does what it does with as little memory and as few threads as it can, and without anything in the background.
 * Every Git process of the lab host that reads what learners push has these.
 */
const frugal = {
  // Larger files are streamed, and no delta of them is looked for.
  "core.bigFileThreshold": "4m",
  "core.packedGitWindowSize": "16m",
  "core.packedGitLimit": "128m",
  "core.deltaBaseCacheLimit": "32m",
  "pack.threads": "1",
  "pack.windowMemory": "64m",
  "pack.deltaCacheSize": "32m",
  // A clean-up in the background would be a process that nobody knows of; tidy.ts cleans up.
  "gc.auto": "0",
  "gc.autoDetach": "false",
  "maintenance.auto": "false",
} as const;

/**
 * A call of Git that can't take more memory than it is given, as a command for `run`. The limit is a soft one, which the
 * hooks take off again for what they start.
 */
export async function boundedGit(
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<readonly [command: string, args: readonly string[]]> {
  const configured = Object.entries({ ...frugal, ...settings }).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  const limited = 'ulimit -S -v "$1" && shift && exec "$@"';
  return ["/bin/sh", ["-c", limited, "git", `${gitMemoryBytes / 1024}`, await toolPath("git"), ...configured, ...args]];
}
