import { existsSync } from "node:fs";
import { glob, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { dropAbandoned, isAbandoned } from "../shared/locked.ts";
import { cohortPaths, labHome } from "../shared/paths.ts";
import { abandonedScratch } from "../shared/scratch.ts";
import { leasedPorts } from "./ports.ts";
import { allMarked, endOne, engineName, isRunning, orphansOfEngine } from "./process-identity.ts";
import { inventoriedCohorts, readInventory, recordGone, type Thing } from "./inventory.ts";
import { mountsBelow } from "./ownership.ts";

export interface CutShort {
  /** Such as `up`. */
  readonly command: string;
  /** A signal that it heeded interrupts a command; anything else that ends it, like a lost machine, kills it. */
  readonly how: "killed" | "interrupted";
}

/** What of a cohort can be found on this machine and in the state backend, whichever of it belongs together. */
export interface Traces {
  readonly cohort: string;
  readonly folder: boolean;
  readonly stack: boolean;
  /** A phrase for each thing beside folder and stack, such as `process 1234 (ada/etcd)`. */
  readonly things: readonly string[];
  /** Commands that did not come to their end while they changed the cohort. */
  readonly cutShort: readonly CutShort[];
  /** Whether a command changes it right now. */
  readonly busy: boolean;
  /** The backend in which the inventory says that the stack is; undefined where it does not say. */
  readonly backend: string | undefined;
}

/** A control group of this lab home's. */
export interface CohortGroup {
  readonly cohort: string;
  readonly folder: string;
}

/**
 * Looks for whatever carries the mark of this lab home.
 *
 * @param stacks cohorts that have one in the state backend
 * @param controlGroups those that are there
 */
export async function findTraces(stacks: ReadonlySet<string>, controlGroups: readonly CohortGroup[]): Promise<Traces[]> {
  const cohortsFolder = join(labHome(), "cohorts");
  const folders = new Set(await readdir(cohortsFolder).catch(() => []));
  const inCohorts = (path: string) => path.slice(cohortsFolder.length + 1).split("/")[0]!;
  const processes = Map.groupBy(allMarked(cohortsFolder), ({ cohort }) => cohort);
  const leases = Map.groupBy(Object.entries(await leasedPorts()), ([lease]) => lease.split("/")[0]!);
  const groups = Map.groupBy(controlGroups, ({ cohort }) => cohort);
  const mounts = Map.groupBy(await mountsBelow(cohortsFolder), inCohorts);
  const names = new Set([
    ...folders,
    ...stacks,
    ...processes.keys(),
    ...leases.keys(),
    ...groups.keys(),
    ...mounts.keys(),
    ...(await inventoriedCohorts()),
  ]);
  return Promise.all(
    [...names].sort().map(async (cohort): Promise<Traces> => {
      const items = await readInventory(cohort);
      const runs = items.flatMap((item) =>
        item.kind === "run" && item.identity !== undefined
          ? [
              {
                command: (item.name ?? "").split(" ")[0]!,
                how: item.interrupted ? ("interrupted" as const) : ("killed" as const),
                lives: isAtWork(item),
              },
            ]
          : [],
      );
      const orphaned = new Set(orphansOfEngine(cohortPaths(cohort).daemon).map(({ pid }) => pid));
      const own = (processes.get(cohort) ?? []).map(({ name, identity }) => ({ name, pid: identity.pid }));
      return {
        cohort,
        folder: folders.has(cohort),
        stack: stacks.has(cohort),
        things: [
          ...own.map(({ name, pid }) => `process ${pid} (${name})`),
          ...(leases.get(cohort) ?? []).map(([lease, port]) => `port ${port}, leased to ${lease}`),
          ...(groups.get(cohort) ?? []).map(({ folder }) => `control group ${folder}`),
          ...(mounts.get(cohort) ?? []).map((point) => `mount ${point}`),
          ...items.flatMap(({ kind, id }) =>
            id.startsWith("/") &&
            !id.includes("#") &&
            existsSync(id) &&
            !`${id}/`.startsWith(`${cohortPaths(cohort).root}/`) &&
            kind !== "control-group"
              ? [`${kind} ${id}`]
              : [],
          ),
        ],
        cutShort: runs.flatMap(({ lives, ...run }) => (lives ? [] : [run])),
        busy: runs.some(({ lives }) => lives) || own.some(({ name, pid }) => name === engineName && !orphaned.has(pid)),
        backend: items.find(({ kind }) => kind === "stack")?.name,
      };
    }),
  );
}

/** Something small that a killed run left beside a cohort that is well, or beside all cohorts. */
export interface Crumb {
  readonly says: string;
  readonly remove: () => Promise<void>;
}

/** What killed runs left: processes of an engine, locks and temporary folders. */
export async function findCrumbs(cohorts: readonly string[]): Promise<Crumb[]> {
  const engines = cohorts.flatMap((cohort) => orphansOfEngine(cohortPaths(cohort).daemon).map((identity) => ({ cohort, identity })));
  return [
    ...engines.map(({ cohort, identity }) => ({
      says: `process ${identity.pid} of a killed Pulumi engine, cohort ${cohort}`,
      remove: async () => endOne(identity),
    })),
    ...(await staleLocks()).map((path) => ({ says: `lock ${path}`, remove: () => dropAbandoned(path) })),
    ...(await abandonedScratch()).map((path) => ({
      says: `temporary folder ${path}`,
      remove: () => rm(path, { recursive: true, force: true }),
    })),
  ];
}

/** Whether an item of the inventory is a command that changes its cohort right now. */
export function isAtWork({ kind, identity, interrupted }: Thing): boolean {
  return kind === "run" && interrupted !== true && identity !== undefined && isRunning(identity);
}

/** Forgets that commands were cut short while they changed a cohort that is whole. */
export async function forgetCutShort(cohort: string): Promise<void> {
  const items = await readInventory(cohort);
  await recordGone(
    cohort,
    items.filter((item) => item.kind === "run" && !isAtWork(item)),
  );
}

/** Locks whose holder is gone, and drafts of such. */
async function staleLocks(): Promise<string[]> {
  const places = ["", "cohorts/*/", "cohorts/*/learners/*/", "cohorts/*/learners/*/*/"].map((folder) => `${folder}*.lock{,.*}`);
  const found = (await Array.fromAsync(glob(places, { cwd: labHome() }))).map((path) => join(labHome(), path));
  const abandoned = await Promise.all(found.map(async (path) => ((await isAbandoned(path)) ? [path] : [])));
  return abandoned.flat();
}
