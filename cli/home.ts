import { ExitCode, LabError, messageOf } from "../shared/errors.ts";
import { labHome } from "../shared/paths.ts";
import { makePrivateFolder } from "../shared/private-files.ts";

/** Makes the lab's folder. Throws LabError `home-unusable` (exit code 2) where it can't be written. */
export async function requireHome(): Promise<void> {
  try {
    await makePrivateFolder(labHome());
  } catch (error) {
    throw homeError(error, " Nothing was created.");
  }
}

/** What a file system that does not let the lab have its folder says, as an error that helps; undefined for anything else. */
export function unusableHome(error: unknown): LabError | undefined {
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  const isOfHome = path !== undefined && (path === labHome() || path.startsWith(`${labHome()}/`));
  return isOfHome && ["EACCES", "ENOTDIR", "EPERM", "EROFS"].includes(code ?? "") ? homeError(error) : undefined;
}

function homeError(error: unknown, then = ""): LabError {
  return new LabError(
    "home-unusable",
    `The lab's folder ${labHome()} cannot be used: ${messageOf(error)}.${then} Set GITOPS_LAB_HOME to a folder of yours.`,
    {
      exitCode: ExitCode.badInput,
      cause: error,
    },
  );
}
