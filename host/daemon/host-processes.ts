import { fileURLToPath } from "node:url";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { registryProcess } from "../registry/config.ts";
import { webPlaces } from "../web/places.ts";
import type { DaemonConfig } from "./config.ts";
import { passedEnvironment } from "./environment.ts";
import type { ProcessSpec } from "./process-table.ts";

/** The processes that a cohort has for all its learners, in the order of their start. */
export async function hostProcesses(config: DaemonConfig): Promise<ProcessSpec[]> {
  const paths = cohortPaths(config.cohort);
  return [await registryProcess({ paths, httpPort: config.httpPort, registryEventsToken: config.registryEventsToken }), await web(config)];
}

/** What outsiders talk to: host/web/main.ts. */
async function web({ cohort }: DaemonConfig): Promise<ProcessSpec> {
  const { folder, scratch, log } = webPlaces(cohortPaths(cohort));
  await makePrivateFolder(folder);
  return {
    name: "web",
    owner: "cohort",
    command: process.execPath,
    args: [fileURLToPath(new URL("../web/main.ts", import.meta.url)), cohort],
    env: { ...passedEnvironment(), TMPDIR: scratch },
    cwd: folder,
    logFile: log,
  };
}
