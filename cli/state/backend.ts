import { folderOfBackend, loggedInBackend, nameOfBackend } from "../../tools/backend.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { projectFolder } from "../cohort-file.ts";

/** The state backend in use, as the inventory names it. */
export async function backendName(): Promise<string> {
  const url = (await pulumiEnvironment())["PULUMI_BACKEND_URL"];
  return url === undefined ? "of pulumi login" : nameOfBackend(url);
}

/** The address of the state backend in use, whoever chose it. */
export async function backendUrl(): Promise<string | undefined> {
  return (await pulumiEnvironment())["PULUMI_BACKEND_URL"] ?? loggedInBackend(process.env);
}

/** The folder of the state backend in use; undefined where it is none. */
export async function stateFolder(): Promise<string | undefined> {
  return folderOfBackend((await backendUrl()) ?? "", projectFolder);
}
