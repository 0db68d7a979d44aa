import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { ExitCode, LabError, messageOf } from "../shared/errors.ts";
import { cacheHome, labHome } from "../shared/paths.ts";

/** The error of a write that finds no room; programs that the lab runs say it in words. */
const words = /\b(ENOSPC|EDQUOT)\b|no space left on device|disk quota exceeded/i;

/** With less than this a disk is full: the lab's own commands write as much. */
const leastBytes = 1024 ** 2;

/** An error that helps, for a command that failed on a full disk; undefined for anything else. */
export function fullDisk(error: unknown): LabError | undefined {
  if (error instanceof LabError || !(error instanceof Error)) return undefined;
  const { code = "" } = error as NodeJS.ErrnoException;
  if (!["ENOSPC", "EDQUOT"].includes(code) && !words.test(messageOf(error))) return undefined;
  const places = {
    "the lab's folder": labHome(),
    "the tools' cache": cacheHome(),
    "temporary files": tmpdir(),
  };
  const full = Object.entries(places).filter(([, path]) => (freeBytes(path) ?? Infinity) < leastBytes);
  const where =
    full.length === 0
      ? "A disk is full, or a quota used up"
      : `The disk of ${full.map(([what, path]) => `${what} (${path})`).join(" and ")} is full`;
  return new LabError(
    "disk-full",
    `${where}. The command stopped half-way, and goes on from there when you run it again. Free some space (\`df -h${full.map(([, path]) => ` ${path}`).join("")}\` shows how much there is), then run the command again.`,
    { exitCode: ExitCode.badInput, cause: error },
  );
}

/** Looks at the nearest folder that exists. */
function freeBytes(path: string): number | undefined {
  for (let folder = path; ; folder = folder.slice(0, folder.lastIndexOf("/"))) {
    try {
      const { bavail, bsize } = statfsSync(folder || "/");
      return bavail * bsize;
    } catch {
      if (folder === "") return undefined;
    }
  }
}
