import { z } from "zod";
import type { CohortPaths } from "../../shared/paths.ts";
import { readState, writeState } from "../../shared/state-file.ts";
import { readDaemonConfigIn, type DaemonConfig } from "./config.ts";
import { portsOf } from "../../ledger/ports.ts";
import { webPlaces } from "./web-places.ts";

/** What the web process was told of the cohort; undefined where nobody told it yet. */
export async function readWebConfig(paths: CohortPaths): Promise<DaemonConfig | undefined> {
  return readDaemonConfigIn(webPlaces(paths).config, paths);
}

const Ports = z.record(z.string(), z.int());

/** Tells the web process which ports the cohort has leased, in a file of its own: the one of all leases is the lab's. */
export async function writeApiPorts(paths: CohortPaths): Promise<void> {
  await writeState(webPlaces(paths).apiPorts, JSON.stringify(await portsOf(paths.cohort)));
}

/** Port by lease, as `portsOf` gives them. */
export async function readApiPorts(paths: CohortPaths): Promise<Record<string, number>> {
  // Without them the doors of the API servers are shut until the next `up`.
  return (await readState(webPlaces(paths).apiPorts, Ports, { orElse: {} })) ?? {};
}

/**
 * Whether a learner's cluster is on this host and in a room of its own. One of kind is on this host as well, and has a second
 * port.
 */
export async function isInRoom(paths: CohortPaths, learner: string): Promise<boolean> {
  if ((await readWebConfig(paths))?.isolation !== "room") return false;
  const leases = await readApiPorts(paths);
  return [`${paths.cohort}/${learner}/api`, `${paths.cohort}/${learner}/ingress`].map((lease) => lease in leases).join() === "true,false";
}
