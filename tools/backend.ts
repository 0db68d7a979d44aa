import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { homeFolder } from "../shared/environment.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { labHome } from "../shared/paths.ts";
import { shellWord } from "../shared/shell-word.ts";
import { readIfExists } from "../shared/private-files.ts";
import { pulumiHome } from "./plugin-choice.ts";

/** The folder of the state backend of a user who has chosen none. */
export function ownBackend(env: NodeJS.ProcessEnv = process.env): string {
  return join(labHome(env), "pulumi");
}

/**
 * The lab's own backend as Pulumi gets it. Without `metadata=skip` each file would have another beside it for its content type,
 * which is not replaced in one step: a killed engine left it empty, and then nothing of the backend could be read
 * (gocloud.dev/blob/fileblob).
 */
export function ownBackendUrl(env: NodeJS.ProcessEnv = process.env): string {
  return `${pathToFileURL(ownBackend(env)).href}${withoutSidecars}`;
}

const withoutSidecars = "?metadata=skip";

/** A backend's name in the inventory: without credentials, and the lab's own as versions before had it. */
export function nameOfBackend(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//").replace(withoutSidecars, "");
}

const filePrefix = "file://";

/**
 * The folder of a backend that is one; undefined for any other. Read as Pulumi does (`massageBlobPath` in its
 * pkg/backend/diy): `~` is the account's home, what is relative begins where Pulumi runs, and `%20` is a space.
 *
 * @param workingFolder where Pulumi runs
 */
export function folderOfBackend(url: string, workingFolder: string): string | undefined {
  if (!url.startsWith(filePrefix)) return undefined;
  const path = url.slice(filePrefix.length).split("?")[0]!;
  // Pulumi drops one character after the tilde, whatever it is.
  const expanded = path === "~" ? accountHome() : path.startsWith("~") ? join(accountHome(), path.slice(2)) : path;
  try {
    return fileURLToPath(`file://${resolve(workingFolder, expanded)}`);
  } catch {
    throw new LabError(
      "backend-invalid",
      `${url} is no address of a state backend: what is in it after a % is not two hexadecimal digits of a character. Write it anew with \`pulumi login file://<folder>\`, or take your own out with \`unset PULUMI_BACKEND_URL\`; then the lab keeps its state itself.`,
      { exitCode: ExitCode.badInput },
    );
  }
}

/** That of the user database, where the account is in it; `HOME` does not count. */
const accountHome = () => homeFolder({}) ?? homedir();

/** The backend that `pulumi login` chose; undefined where it chose none. Throws LabError (exit code 2) where that can't be read. */
export async function loggedInBackend(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const file = join(env["PULUMI_CREDENTIALS_PATH"] || pulumiHome(env), "credentials.json");
  const text = await readIfExists(file).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(file, `cannot be read (${error.code ?? error.message})`);
  });
  // What an interrupted login leaves is empty; Pulumi takes that for no login as well.
  if (text === undefined || text.trim() === "") return undefined;
  let credentials: unknown;
  try {
    credentials = JSON.parse(text);
  } catch {
    throw unreadable(file, "is not JSON");
  }
  if (credentials === null) return undefined;
  if (typeof credentials !== "object" || Array.isArray(credentials)) throw unreadable(file, "holds no login");
  const current = (credentials as { readonly current?: unknown }).current ?? "";
  if (typeof current !== "string") throw unreadable(file, "names no backend in `current`");
  return current === "" ? undefined : current;
}

function unreadable(file: string, what: string): LabError {
  return new LabError(
    "login-unreadable",
    `${file} ${what}, so it does not say where Pulumi keeps its state. Move it away with \`mv ${shellWord(file)} ${shellWord(`${file}.broken`)}\` and log in again; without a login the lab keeps its state itself.`,
    { exitCode: ExitCode.badInput },
  );
}
