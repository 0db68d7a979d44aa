import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../../shared/errors.ts";
import { defaultLimits, type Limits } from "../../shared/limits.ts";
import type { Opening } from "../../shared/opening.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { readDaemonConfig, removeDaemonConfig, writeDaemonConfig } from "../daemon/config.ts";
import { ensureHostProcesses, processStatus, removeProcesses, shutWays, stopDaemon, updateDoors } from "../daemon/client.ts";
import { forgetCreation, noteCreation, notedLearners } from "../../ledger/creation.ts";
import { ensureServerCertificate } from "../doors/authority.ts";
import { requireOpen } from "../doors/require-open.ts";
import type { Driver } from "../driver.ts";
import { readInventory, recordCreation } from "../../ledger/inventory.ts";
import { claimCohortFolder, removeOwned } from "../../ledger/ownership.ts";
import { removeKindClusters } from "./kind-cluster.ts";
import { writeLimits } from "../limits.ts";
import { limitNow } from "../room/limits-now.ts";
import { awaitListening, orGiveBack } from "../../ledger/listening.ts";
import { giveBackPorts, leasePorts, releasePorts, type PortRange } from "../../ledger/ports.ts";
import { endStragglers } from "../../ledger/process-identity.ts";
import { removeGroup, removeGroups } from "../room/groups.ts";
import { releaseNumbers } from "../room/numbers.ts";
import { learnerImages } from "../registry/config.ts";
import { signingKeyFile } from "../registry/signing-key.ts";

export interface LabHostInput {
  readonly cohort: string;
  readonly ports: PortRange;
  /** Where the cohort is opened beside loopback; nowhere without. */
  readonly opening?: Opening;
  /** What each learner may take of this machine; the defaults without. */
  readonly limits?: Limits;
  /** Whether what learners write runs in rooms; absent where it does not. */
  readonly isolation?: "room";
}

export interface LabHostOutput {
  /** Base URL of the learners' Git repositories and of the registry's token service. */
  readonly httpUrl: string;
  /** `127.0.0.1:<port>` of the registry. */
  readonly registry: string;
  /** How learners beyond this machine reach it; only where it is opened. */
  readonly open?: OpenedHost;
}

export interface OpenedHost {
  /** Base URL of the Git repositories. */
  readonly url: string;
  /** `name:port` of the registry. */
  readonly registry: string;
  /** URL of the learners' pages, served while the dashboard runs. */
  readonly page: string;
  /** The certificate authority of the cohort, as PEM. */
  readonly ca: string;
}

/** What a cohort shares on the lab host: its folder, its daemon, its registry and its web process. */
export const labHost: Driver<LabHostInput, LabHostOutput> = {
  replaceOn: ["cohort"],
  creationOnly: ["ports"],
  optional: ["opening", "isolation", "limits"],

  async ensure({ cohort, ports: range, opening, isolation, limits = defaultLimits }) {
    const paths = cohortPaths(cohort);
    await claimCohortFolder(cohort);
    await recordCreation(cohort, { kind: "key", id: signingKeyFile(paths), name: "of the registry's tokens" });
    await noteCreation(cohort);
    await writeLimits(paths, limits);
    await limitNow(paths, limits);
    const ports = await leasePorts(`${cohort}/host`, ["http", "registry"], range);
    const metricsPort = await leaseMetricsPort(cohort);
    const registryEventsToken = (await readDaemonConfig(cohort))?.registryEventsToken ?? randomBytes(32).toString("base64url");
    const opened = opening && {
      ...opening,
      ...(await leasePorts(`${cohort}/host`, ["web", "page"], range)),
      ca: await ensureServerCertificate(paths, opening),
    };
    await writeDaemonConfig({
      cohort,
      httpPort: ports.http,
      registryPort: ports.registry,
      ...(metricsPort !== undefined && { metricsPort }),
      registryEventsToken,
      ...(isolation && { isolation }),
      ...(opened && { opening: { listen: opened.listen, name: opened.name, port: opened.web, pagePort: opened.page } }),
    });
    // Learners have the addresses of both, and every image the registry's.
    const isFresh = (await notedLearners(cohort)).length === 0;
    await orGiveBack(
      isFresh,
      () => giveBackHostPorts(cohort),
      async () => {
        await ensureHostProcesses(cohort);
        await awaitRegistry(cohort, ports.registry);
      },
    );
    const output = { httpUrl: `http://127.0.0.1:${ports.http}`, registry: `127.0.0.1:${ports.registry}` };
    await requireOpen(cohort, "web");
    if (opened === undefined) return { id: cohort, output };
    const { name, web, page, ca } = opened;
    return {
      id: cohort,
      output: { ...output, open: { url: `https://${name}:${web}`, registry: `${name}:${web}`, page: `https://${name}:${page}`, ca } },
    };
  },

  async read(cohort, output) {
    return (await processStatus(cohort)).some(({ name }) => name === "registry") ? output : undefined;
  },

  async remove(cohort) {
    await removeCohortFromHost(cohort);
  },
};

/**
 * Ends every process of the cohort and deletes its folder and port leases, whatever Pulumi's state knows of them: also
 * after an `up` that was killed half-way. Throws LabError, after everything else, where the folder can't be removed.
 */
export async function removeCohortFromHost(cohort: string): Promise<void> {
  await removeProcesses(cohort, undefined, "SIGKILL");
  await stopDaemon(cohort);
  endStragglers(cohortPaths(cohort).daemon);
  await removeKindClusters(cohort);
  await removeGroups(cohort);
  await releaseNumbers(cohort);
  await releasePorts(cohort);
  await removeOwned(cohort, cohortPaths(cohort).root);
}

/**
 * Removes what learners other than these have on the host: an `up` killed between making a thing and noting it leaves
 * things that Pulumi's state does not know, and a learner who is then taken out of the cohort file would leave them for
 * ever. Returns the ids of those it found.
 */
export async function removeOtherLearners(cohort: string, known: ReadonlySet<string>): Promise<string[]> {
  const paths = cohortPaths(cohort);
  const folders = [paths.git, join(paths.root, "learners"), learnerImages(paths, ".")];
  const owners = (await processStatus(cohort)).flatMap(({ owner }) => (owner === "cohort" ? [] : [owner]));
  const told = new Set((await readInventory(cohort)).flatMap(({ learner }) => learner ?? []));
  const here = (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).flat();
  // A folder that nobody told of is nobody's of ours.
  const found = new Set([...owners, ...here.filter((name) => told.has(name))]);
  const others = [...found].filter((learner) => !known.has(learner));
  for (const learner of others) {
    await removeProcesses(cohort, learner, "SIGKILL");
    await removeKindClusters(cohort, [learner]);
    await removeGroup(paths.learner(learner));
    await releaseNumbers(`${cohort}/${learner}`);
    await shutWays(cohort, learner);
    for (const folder of folders) await removeOwned(cohort, join(folder, learner));
    await releasePorts(`${cohort}/${learner}`);
    await forgetCreation(cohort, learner);
  }
  if (others.length > 0 && (await readDaemonConfig(cohort))?.opening !== undefined) await updateDoors(cohort);
  // Of learners whose clusters were elsewhere a note is all there was.
  for (const learner of await notedLearners(cohort)) if (!known.has(learner)) await forgetCreation(cohort, learner);
  return others;
}

/** Apart from the cohort's `ports`, of which learners may need the last one. */
const metricsPorts = { from: 19700, to: 19999 } as const;

/** Undefined where none is left: a lab goes without metrics. */
async function leaseMetricsPort(cohort: string): Promise<number | undefined> {
  try {
    return (await leasePorts(`${cohort}/host`, ["metrics"], metricsPorts)).metrics;
  } catch (error) {
    if (error instanceof LabError && error.code === "no-free-port") return undefined;
    throw error;
  }
}

/** Ends what knows the ports, and gives them back. */
async function giveBackHostPorts(cohort: string): Promise<void> {
  await removeProcesses(cohort, undefined, "SIGKILL");
  await stopDaemon(cohort);
  await removeDaemonConfig(cohort);
  await giveBackPorts(`${cohort}/host`, ["http", "registry", "metrics"]);
}

async function awaitRegistry(cohort: string, port: number): Promise<void> {
  const registry = `127.0.0.1:${port}`;
  await awaitListening(
    { cohort, lease: `${cohort}/host/registry`, port },
    async () => {
      try {
        const { status } = await fetch(`http://${registry}/v2/`, { signal: AbortSignal.timeout(2000) });
        return status === 401
          ? { done: true, value: undefined }
          : { done: false, because: `it answered ${status} to a caller without credentials.` };
      } catch {
        return { done: false, because: "nothing listens there." };
      }
    },
    {
      what: `the image registry of cohort ${cohort} at ${registry}`,
      timeoutSeconds: 30,
      remedy: `Its log is in ${cohortPaths(cohort).registry}.`,
    },
  );
}
