import { randomBytes } from "node:crypto";
import { LabError } from "../../shared/errors.ts";
import { defaultLimits, type Limits } from "../../shared/limits.ts";
import type { Opening } from "../../shared/opening.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { readDaemonConfig, removeDaemonConfig, writeDaemonConfig } from "../processes/config.ts";
import { ensureHostProcesses, processStatus, removeProcesses, stopDaemon } from "../processes/client.ts";
import { noteCreation, notedLearners } from "../../ledger/creation.ts";
import { ensureServerCertificate } from "../doors/authority.ts";
import { requireOpen } from "../doors/require-open.ts";
import type { Driver } from "../driver.ts";
import { recordCreation } from "../../ledger/inventory.ts";
import { claimCohortFolder } from "../../ledger/ownership.ts";
import { removeCohortFromHost, type RemoveClusters } from "../sweep.ts";
import { writeLimits } from "../limits/stored.ts";
import { limitNow } from "../room/limits-now.ts";
import { awaitListening, orGiveBack } from "../../ledger/listening.ts";
import { giveBackPorts, leasePorts, type PortRange } from "../../ledger/ports.ts";
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

/**
 * What a cohort shares on the lab host: its folder, its daemon, its registry and its web process.
 *
 * @param removeClusters takes what stands on this machine beside the lab host's processes, when the cohort goes
 */
export const labHost = (removeClusters: RemoveClusters): Driver<LabHostInput, LabHostOutput, "lab-host"> => ({
  name: "lab-host",
  replaceOn: ["cohort"],
  creationOnly: ["ports"],
  optional: ["opening", "isolation", "limits"],

  async ensure({ cohort, ports: range, opening, isolation, limits = defaultLimits }) {
    const paths = cohortPaths(cohort);
    await claimCohortFolder(paths);
    await recordCreation(cohort, { kind: "key", id: signingKeyFile(paths), name: "of the registry's tokens" });
    await noteCreation(paths);
    await writeLimits(paths, limits);
    await limitNow(paths, limits);
    const ports = await leasePorts(`${cohort}/host`, ["http", "registry"], range);
    const metricsPort = await leaseMetricsPort(cohort);
    const registryEventsToken = (await readDaemonConfig(paths))?.registryEventsToken ?? randomBytes(32).toString("base64url");
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
    const isFresh = (await notedLearners(paths)).length === 0;
    await orGiveBack(
      isFresh,
      () => giveBackHostPorts(cohort),
      async () => {
        await ensureHostProcesses(paths);
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
    return (await processStatus(cohortPaths(cohort))).some(({ name }) => name === "registry") ? output : undefined;
  },

  async remove(cohort) {
    await removeCohortFromHost(cohortPaths(cohort), removeClusters);
  },
});

/** Apart from the cohort's `ports`: learners may need the last of those. */
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
  const paths = cohortPaths(cohort);
  await removeProcesses(paths, undefined, "SIGKILL");
  await stopDaemon(paths);
  await removeDaemonConfig(paths);
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
