import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { ExitCode, LabError } from "../shared/errors.ts";
import { locked } from "../shared/locked.ts";
import { cacheHome, labHome } from "../shared/paths.ts";
import { makePrivateFolder } from "../shared/private-files.ts";
import { readState, writeState } from "../shared/state-file.ts";
import { inventoriedCohorts, readInventory, recordCreation, recordGone, type Thing } from "./inventory.ts";

/** Below Linux' ephemeral range (32768-60999), so that no outgoing connection takes a leased port. */
export const defaultPortRange = { from: 20000, to: 29999 } as const;

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Port by lease key `<owner>/<name>`. */
const Leases = z.record(z.string(), z.int());

/**
 * Leases one loopback port per name for an owner (`<cohort>` or `<cohort>/<learner>`). A lease lasts until
 * `releasePorts`, across restarts, so that URLs and kubeconfigs stay the same; two runs at once never get the same port,
 * also of two lab homes of one user, between whose lease and the first listening seconds pass.
 */
export async function leasePorts<Name extends string>(
  owner: string,
  names: readonly Name[],
  range: PortRange = defaultPortRange,
): Promise<Record<Name, number>> {
  return amongHomes((elsewhere) => updateLeases((leases) => assign(leases, elsewhere, owner, names, range)));
}

async function assign<Name extends string>(
  leases: Record<string, number>,
  elsewhere: ReadonlySet<number>,
  owner: string,
  names: readonly Name[],
  range: PortRange,
): Promise<Record<Name, number>> {
  const leased = new Set([...elsewhere, ...Object.values(leases)]);
  const result: Partial<Record<Name, number>> = {};
  const untried = candidates(range);
  const [cohort = owner, learner] = owner.split("/");
  const fresh: Thing[] = [];
  for (const name of names) {
    const key = `${owner}/${name}`;
    let port = leases[key];
    while (port === undefined) {
      const { value: candidate } = untried.next();
      if (candidate === undefined) throw noPortLeft(range, owner);
      if (!leased.has(candidate) && (await isFree(candidate))) port = candidate;
    }
    if (leases[key] === undefined)
      fresh.push({ kind: "port", id: String(port), name: key, ...(learner !== undefined && learner !== "host" && { learner }) });
    leased.add(port);
    leases[key] = port;
    result[name] = port;
  }
  await recordCreation(cohort, ...fresh);
  return result as Record<Name, number>;
}

/** Gives back every port of an owner and of what is below it. */
export async function releasePorts(owner: string): Promise<void> {
  await updateLeases(async (leases) => {
    for (const key of Object.keys(leases)) if (key.startsWith(`${owner}/`)) delete leases[key];
  });
}

/** Gives back leases of ports on which the lab never listened: what is there is nothing of its. */
export async function giveBackPorts(owner: string, names: readonly string[]): Promise<void> {
  const [cohort = owner] = owner.split("/");
  const ports = await updateLeases(async (leases) =>
    names.flatMap((name) => {
      const port = leases[`${owner}/${name}`];
      delete leases[`${owner}/${name}`];
      return port ?? [];
    }),
  );
  await recordGone(
    cohort,
    ports.map((port) => ({ kind: "port" as const, id: String(port) })),
  );
}

/**
 * Looks, before anything is created, whether a cohort will find its ports: throws LabError (exit code 2) when fewer than
 * `needed` are left in the range beside those it has leased, or when something else listens on one of these.
 *
 * @param idle whether no process of the cohort runs, so that nothing may listen on its ports
 * @param inDocker learners on whose ports Docker listens all the same
 */
export async function requirePorts(
  cohort: string,
  needed: number,
  range: PortRange,
  idle: boolean,
  inDocker: readonly string[] = [],
): Promise<void> {
  const leases = await readLeases();
  // The port of the metrics is none of the range, and nothing waits for it.
  const own = Object.entries(leases).filter(([key]) => key.startsWith(`${cohort}/`) && key !== `${cohort}/host/metrics`);
  for (const [key, port] of idle ? own : []) {
    if (inDocker.some((learner) => key.startsWith(`${cohort}/${learner}/`)) || (await isFree(port))) continue;
    throw new LabError(
      "port-in-use",
      `Port ${port}, which ${key} has leased, is used by another program. Nothing was created. End that program (\`ss -tlnp sport = ${port}\` names it), or run \`./lab down ${cohort}\` to give the port back.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const leased = new Set([...(await leasedBy(await otherHomes())), ...Object.values(leases)]);
  let missing = needed - own.length;
  for (const port of candidates(range)) {
    if (missing <= 0) break;
    if (!leased.has(port) && (await isFree(port))) missing -= 1;
  }
  if (missing > 0) throw noPortLeft(range, cohort);
}

/** Every lease of an owner and of what is below it. */
export async function portsOf(owner: string): Promise<Record<string, number>> {
  const leases = await readLeases();
  return Object.fromEntries(Object.entries(leases).filter(([key]) => key.startsWith(`${owner}/`)));
}

/** Every lease of this lab home: port by `<owner>/<name>`. */
export async function leasedPorts(): Promise<Readonly<Record<string, number>>> {
  return readLeases();
}

function noPortLeft(range: PortRange, owner: string): LabError {
  return new LabError(
    "no-free-port",
    `No free port is left between ${range.from} and ${range.to} for ${owner}: all are in use or leased to other labs. ` +
      "Set `ports.from` and `ports.to` in the cohort file to a range with free ports, or end a cohort with `./lab down <cohort>`.",
    { exitCode: ExitCode.badInput },
  );
}

/**
 * The ports of a range in the order of trying. Each lab home begins elsewhere: leases of another user's are not known here,
 * and a port that one has leased and not yet bound looks free to the other.
 */
function* candidates({ from, to }: PortRange): Generator<number, undefined> {
  const size = to - from + 1;
  const start = createHash("sha256").update(labHome()).digest().readUInt32BE() % size;
  for (let step = 0; step < size; step += 1) yield from + ((start + step) % size);
}

const Homes = z.array(z.string());

/** The lab homes of this user that have leased ports, in the cache, which all of them share. */
const homesFile = () => join(cacheHome(), "lab-homes.json");

/** Does something with the ports that other lab homes of this user have leased, while none of them leases any. */
async function amongHomes<T>(work: (elsewhere: ReadonlySet<number>) => Promise<T>): Promise<T> {
  await makePrivateFolder(cacheHome());
  return locked(homesFile(), async () => {
    const others = await otherHomes();
    await writeState(homesFile(), JSON.stringify([...others, labHome()]));
    return work(await leasedBy(others));
  });
}

/** Those that still have a lease. */
async function otherHomes(): Promise<string[]> {
  // Each lab home is in it again as soon as it leases another port.
  const homes = (await readState(homesFile(), Homes, { orElse: [] })) ?? [];
  const leasing = await Promise.all(
    homes.map(async (home) => (home !== labHome() && Object.keys(await readLeases(home).catch(() => ({}))).length > 0 ? [home] : [])),
  );
  return leasing.flat();
}

async function leasedBy(homes: readonly string[]): Promise<Set<number>> {
  const leases = await Promise.all(homes.map((home) => readLeases(home)));
  return new Set(leases.flatMap((ports) => Object.values(ports)));
}

async function readLeases(home = labHome()): Promise<Record<string, number>> {
  const leases = await readState(leaseFile(home), Leases, { orElse: undefined });
  if (leases !== undefined) return leases;
  // Damaged: the inventory was told of each lease.
  return home === labHome() && existsSync(leaseFile()) ? notedLeases() : {};
}

async function notedLeases(): Promise<Record<string, number>> {
  const items = (await Promise.all((await inventoriedCohorts()).map((cohort) => readInventory(cohort)))).flat();
  return Object.fromEntries(items.flatMap(({ kind, id, name }) => (kind === "port" && name !== undefined ? [[name, Number(id)]] : [])));
}

const leaseFile = (home = labHome()) => join(home, "ports.json");

async function updateLeases<T>(change: (leases: Record<string, number>) => Promise<T>): Promise<T> {
  await makePrivateFolder(labHome());
  return locked(leaseFile(), async () => {
    const leases = await readLeases();
    const result = await change(leases);
    await writeState(leaseFile(), JSON.stringify(leases, null, 2));
    return result;
  });
}

/** Whether a server could listen there now, on loopback or on all interfaces. */
async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ host: "127.0.0.1", port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
