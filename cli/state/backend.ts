import { folderOfBackend, loggedInBackend, nameOfBackend } from "../../tools/backend.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { projectFolder } from "../cohort-file.ts";

/** The state backend in use, as the inventory names it. */
export async function backendName(): Promise<string> {
  const url = (await pulumiEnvironment())["PULUMI_BACKEND_URL"];
  return url === undefined ? "of pulumi login" : nameOfBackend(url);
}

/** The folder of the state backend in use; undefined where it is none. */
export async function stateFolder(): Promise<string | undefined> {
  const url = (await pulumiEnvironment())["PULUMI_BACKEND_URL"] ?? (await loggedInBackend(process.env)) ?? "";
  return folderOfBackend(url, projectFolder);
}
