import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { ExitCode, LabError, messageOf } from "../shared/errors.ts";
import { cacheHome, labHome } from "../shared/paths.ts";

/** What a write says for which there is no room; programs that the lab runs say it in words. */
const words = /\b(ENOSPC|EDQUOT)\b|no space left on device|disk quota exceeded/i;

/** Less than this is full: what the lab's commands write of themselves. */
const leastBytes = 1024 ** 2;

/** What a full disk lets a command say, as an error that helps; undefined for anything else. */
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
      : `The disk is full that has ${full.map(([what, path]) => `${what} (${path})`).join(" and ")}`;
  return new LabError(
    "disk-full",
    `${where}. What was begun is as it was or half-done, and the same command goes on from there. Free some space (\`df -h${full.map(([, path]) => ` ${path}`).join("")}\` shows how much there is), then run the command again.`,
    { exitCode: ExitCode.badInput, cause: error },
  );
}

/** Of the nearest folder that is there. */
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
