import { join } from "node:path";
import type { CohortPaths } from "../../shared/paths.ts";

/** What the web process has for itself in the cohort's folder. */
export interface WebPlaces {
  readonly folder: string;
  /** Its copy of the daemon's configuration: it never looks into the daemon's folder. */
  readonly config: string;
  /** Ports of the learners' API servers, for the doors. */
  readonly apiPorts: string;
  /** Where it listens for the lab's own commands and for Git's hooks. */
  readonly socket: string;
  /** Its folder for temporary files, emptied at each start. */
  readonly scratch: string;
  readonly log: string;
}

export function webPlaces(paths: CohortPaths): WebPlaces {
  const folder = join(paths.root, "web");
  return {
    folder,
    config: join(folder, "config.json"),
    apiPorts: join(folder, "api-ports.json"),
    // Shorter than the daemon's, whose length is looked at.
    socket: join(folder, "control.sock"),
    scratch: join(folder, "tmp"),
    log: join(folder, "web.log"),
  };
}
