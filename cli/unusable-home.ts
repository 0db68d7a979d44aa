import { existsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { ExitCode, LabError, messageOf } from "../shared/errors.ts";
import { cacheHome, labHome } from "../shared/paths.ts";
import { shellWord } from "../shared/shell-word.ts";

/** What a file system that does not let the lab have its folder says, as an error that helps; undefined for anything else. */
export function unusableHome(error: unknown): LabError | undefined {
  const { code = "", path } = (error ?? {}) as NodeJS.ErrnoException;
  if (path !== undefined && `${path}/`.startsWith(`${cacheHome()}/`) && unwritable.includes(code)) {
    return new LabError(
      "cache-unusable",
      `The folder of the tools, ${cacheHome()}, cannot be used: ${messageOf(error)}. Set XDG_CACHE_HOME to a folder of yours, where the tools are installed anew, and run the command again.`,
      { exitCode: ExitCode.badInput, cause: error },
    );
  }
  if (path === undefined || !`${path}/`.startsWith(`${labHome()}/`)) return undefined;
  const file = code === "ENOTDIR" ? fileAbove(path) : undefined;
  if (file?.startsWith(`${labHome()}/`)) {
    return new LabError(
      "file-in-the-way",
      `${file} is a file where the lab has a folder. It was left as it is. Move it away with \`mv ${shellWord(file)} ${shellWord(`${labHome()}-${basename(file)}`)}\` and run the command again.`,
      { exitCode: ExitCode.badInput, cause: error },
    );
  }
  return unwritable.includes(code) ? homeError(error) : undefined;
}

const unwritable = ["EACCES", "ENOTDIR", "EPERM", "EROFS"];

/** The file that stands in the way to a path. */
function fileAbove(path: string): string | undefined {
  const parent = dirname(path);
  if (existsSync(path)) return statSync(path).isDirectory() ? undefined : path;
  return parent === path ? undefined : fileAbove(parent);
}

/** The lab's folder can't be used, and which variable names another. */
export function homeError(error: unknown, then = ""): LabError {
  return new LabError(
    "home-unusable",
    `The lab's folder ${labHome()} cannot be used: ${messageOf(error)}.${then} Set GITOPS_LAB_HOME to a folder of yours.`,
    {
      exitCode: ExitCode.badInput,
      cause: error,
    },
  );
}
