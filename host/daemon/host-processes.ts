import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { imageStorage, registryProcess } from "../registry/config.ts";
import { hostRoom, inHostRoom, programFiles } from "../room/host-room.ts";
import { showsFilesAsOwn } from "../room/machine.ts";
import { waysFolder } from "../processes/ways.ts";
import { webPlaces } from "../processes/web-places.ts";
import type { DaemonConfig } from "../processes/config.ts";
import { passedEnvironment } from "../processes/environment.ts";
import type { ProcessSpec } from "../processes/process-table.ts";

/** The processes that a cohort has for all its learners, in the order of their start. */
export async function hostProcesses(config: DaemonConfig): Promise<ProcessSpec[]> {
  const paths = cohortPaths(config.cohort);
  // Elsewhere they would not see what learners get after their start.
  const isolation = config.isolation === "room" && (await showsFilesAsOwn()) ? "room" : undefined;
  return [
    ...(isolation === undefined ? [] : [await hostRoom(config.cohort, paths)]),
    await registryProcess({ ...config, paths, isolation }),
    await web(config.cohort, isolation),
  ];
}

/** What outsiders talk to: host/web/main.ts. */
async function web(cohort: string, isolation: "room" | undefined): Promise<ProcessSpec> {
  const paths = cohortPaths(cohort);
  const { folder, scratch, log } = webPlaces(paths);
  // Of the images it takes away what was refused while it came in.
  const keeps = [folder, paths.git, waysFolder(paths), imageStorage(paths)];
  for (const one of keeps) await makePrivateFolder(one);
  const learners = await makePrivateFolder(dirname(paths.learner("any").root));
  const spec = {
    name: "web",
    owner: "cohort",
    command: process.execPath,
    // What it reads it passes on; a heap beyond this is a defect, and it is better started again than left to grow.
    args: ["--max-old-space-size=512", fileURLToPath(new URL("../web/main.ts", import.meta.url)), cohort],
    env: { ...passedEnvironment(), TMPDIR: scratch },
    cwd: folder,
    logFile: log,
  };
  if (isolation === undefined) return spec;
  // Of the learners it reads who may come in and what the pipeline logs in with; their clusters' folders are not open to it.
  const reads = [...(await programFiles()), learners, paths.registry, join(paths.root, "tls")];
  return inHostRoom(paths, spec, { reads, keeps, proc: true });
}
