import { join } from "node:path";
import { z } from "zod";
import { LabError } from "../../shared/errors.ts";
import { Opening } from "../../shared/opening.ts";
import { cohortPaths, type CohortPaths } from "../../shared/paths.ts";
import { readState, removeState, writeState } from "../../shared/state-file.ts";
import { webPlaces } from "./web-places.ts";

/** Of the daemon's and the web process' common work. Counts up when a running daemon must be replaced by this program's. */
export const daemonVersion = 4;

/** What a cohort's daemon and its web process need to start; written by the lab-host driver, kept for `./lab start` after a reboot. */
export const DaemonConfig = z.object({
  cohort: z.string(),
  /** Loopback port of Git, registry tokens and registry events. */
  httpPort: z.int(),
  registryPort: z.int(),
  /** Loopback port on which the daemon answers Prometheus; a lab of an earlier version has none until its next `up`. */
  metricsPort: z.int().optional(),
  /** Secret that the registry sends along with its notifications. */
  registryEventsToken: z.string(),
  /** Whether what learners write runs in rooms; absent where it does not. */
  isolation: z.literal("room").optional(),
  /** What is opened beside loopback, with the ports of Git and images and of the learners' pages there. */
  opening: Opening.extend({ port: z.int(), pagePort: z.int() }).optional(),
});
export type DaemonConfig = z.output<typeof DaemonConfig>;

/** Exists as long as the cohort has a daemon to start. */
export const configFile = (paths: CohortPaths) => join(paths.daemon, "config.json");

/** What the daemon says of itself. */
export const daemonLog = (paths: CohortPaths) => join(paths.daemon, "daemon.log");

/** Where the daemon listens for the lab's own commands. */
export function controlSocket(paths: CohortPaths): string {
  const path = join(paths.daemon, "control.sock");
  // sun_path in unix(7) holds 108 bytes, the closing zero included.
  if (Buffer.byteLength(path) > 107) {
    throw new LabError(
      "home-too-long",
      `The lab's folder makes the socket path ${path} longer than the 107 bytes that Unix sockets allow. Set GITOPS_LAB_HOME to a shorter folder and run the command again.`,
      { exitCode: 2 },
    );
  }
  return path;
}

/** The configuration of the cohort's daemon; undefined where the cohort does not exist on this host. */
export async function readDaemonConfig(paths: CohortPaths): Promise<DaemonConfig | undefined> {
  try {
    return await readDaemonConfigIn(configFile(paths), paths);
  } catch (error) {
    // The web process has the same in files of its own.
    const web = await readDaemonConfigIn(webPlaces(paths).config, paths).catch(() => undefined);
    if (web !== undefined) return web;
    throw error;
  }
}

/** The configuration in one of its two files. Throws LabError where it is damaged. */
export async function readDaemonConfigIn(file: string, paths: CohortPaths): Promise<DaemonConfig | undefined> {
  const remedy = `Run \`./lab down ${paths.cohort}\` and \`./lab up ${paths.cohort}\`, which make the cohort anew; \`./lab archive ${paths.cohort}\` before keeps the results.`;
  return readState(file, DaemonConfig, { what: `The configuration of the daemon of cohort ${paths.cohort}`, remedy });
}

/** Without it there is no daemon to start. */
export async function removeDaemonConfig(paths: CohortPaths): Promise<void> {
  await removeState(configFile(paths));
  await removeState(webPlaces(paths).config);
}

/** The web process gets a copy: what is in the daemon's folder is not for it to see. */
export async function writeDaemonConfig(config: DaemonConfig): Promise<void> {
  const paths = cohortPaths(config.cohort);
  const text = JSON.stringify(config, null, 2);
  await writeState(configFile(paths), text);
  await writeState(webPlaces(paths).config, text);
}
