import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { cohortPaths, type CohortPaths } from "../shared/paths.ts";
import { dropAbandonedScratch } from "../shared/scratch.ts";
import { shellWord } from "../shared/shell-word.ts";
import { callerOf, listenerOn } from "./listeners.ts";
import { leasedPorts } from "./ports.ts";
import { findMarked, identify, isRunning, namespacesOf } from "./process-identity.ts";
import type { Item, Kind, Thing } from "./inventory.ts";
import { filesInTheWay, mountsBelow, ownership } from "./ownership.ts";
import type { Look, Sight, Surroundings } from "./sight.ts";

/** One line for each kind that this machine alone tells of. How to look for what Docker, a cluster, Pulumi or GitHub has is handed in. */
const looks: Partial<Record<Kind, Look>> = {
  process: lookForProcess,
  port: lookForPort,
  folder: lookForPath,
  repository: lookForPath,
  images: lookForPath,
  kubeconfig: lookForPath,
  key: lookForPath,
  "control-group": ({ id }) =>
    existsSync(id) ? { state: "left", says: `control group ${id}`, remove: `rmdir ${shellWord(id)}` } : { state: "gone" },
  namespace: lookForNamespace,
  mount: ({ id }, { mounts }) =>
    mounts.includes(id) ? { state: "left", says: `mount ${id}`, remove: `umount ${shellWord(id)}` } : { state: "gone" },
  run: lookForRun,
};

/** How an item is called, e.g. `process ada/etcd`. */
export function nameOf({ kind, id, name }: Pick<Thing, "kind" | "id" | "name">): string {
  return `${kind} ${name ?? id}`;
}

export interface Search {
  /** How to look for kinds that this machine alone does not tell of. */
  readonly looks?: Partial<Record<Kind, Look>>;
  /** Only what is this learner's. */
  readonly learner?: string;
}

export interface Seen extends Item {
  readonly sight: Sight;
}

/** Looks for these things, and for processes, ports and mounts of the cohort that nobody told of. */
export async function lookForAll(paths: CohortPaths, items: readonly Item[], { looks: own = {}, learner }: Search = {}): Promise<Seen[]> {
  const isMeant = (name: string) => learner === undefined || name.startsWith(`${learner}/`);
  await endOfProcesses(paths, isMeant);
  const around = await surroundings(paths);
  const known = new Set(items.map(({ kind, id }) => `${kind} ${id}`));
  const at = new Date().toISOString();
  const untold: Item[] = [
    ...[...around.marked.keys()]
      .map((mark) => ({ kind: "process" as const, id: mark, name: mark.slice(mark.indexOf("#") + 1), at }))
      .filter(({ name }) => isMeant(name)),
    ...(learner === undefined ? around.mounts.map((point) => ({ kind: "mount" as const, id: point, at })) : []),
    ...(learner === undefined ? await dropAbandonedScratch() : []).map((path) => ({ kind: "folder" as const, id: path, at })),
    ...Object.entries(around.leases).flatMap(([lease, port]) =>
      lease.startsWith(`${paths.cohort}/`) && isMeant(lease.slice(paths.cohort.length + 1))
        ? [{ kind: "port" as const, id: String(port), name: lease, at }]
        : [],
    ),
  ].filter(({ kind, id }) => !known.has(`${kind} ${id}`));
  return Promise.all([...items, ...untold].map(async (item) => ({ ...item, sight: await lookFor(item, around, own) })));
}

async function lookFor(item: Item, around: Surroundings, own: Partial<Record<Kind, Look>>): Promise<Sight> {
  const look = own[item.kind] ?? looks[item.kind];
  return look === undefined
    ? {
        state: "unknown",
        says: `${nameOf(item)} (${item.id}), for which this version cannot look`,
        remove: "look for it where it was made",
      }
    : look(item, around);
}

async function surroundings(paths: CohortPaths): Promise<Surroundings> {
  const { root, daemon } = paths;
  const marked = Map.groupBy(findMarked(daemon), ({ name }) => `${daemon}#${name}`);
  return {
    cohort: paths.cohort,
    folder: await ownership(paths),
    inTheWay: await filesInTheWay(paths),
    marked: new Map([...marked].map(([mark, found]) => [mark, found.map(({ identity }) => identity)])),
    leases: await leasedPorts(),
    mounts: await mountsBelow(root),
  };
}

/** What was killed a moment ago may take another until it is gone. */
async function endOfProcesses(paths: CohortPaths, isMeant: (name: string) => boolean): Promise<void> {
  for (const deadline = Date.now() + 2000; Date.now() < deadline && findMarked(paths.daemon).some(({ name }) => isMeant(name)); )
    await delay(50);
}

/** By mark, which the process and its children carry, and by identity, should it have shed the mark. A pid alone says nothing. */
function lookForProcess(item: Thing, { marked }: Surroundings): Sight {
  const { identity, id } = item;
  const running = [...(marked.get(id) ?? []), ...(identity !== undefined && isRunning(identity) ? [identity] : [])].map(({ pid }) => pid);
  const pids = [...new Set(running)].join(" ");
  if (pids !== "") return { state: "left", says: `process ${pids} (${item.name ?? id})`, remove: `kill -9 ${pids}` };
  const present = identity === undefined ? undefined : identify(identity.pid);
  // The same one may be there as a zombie, for its parent to take note of.
  if (identity === undefined || present === undefined || isDeepStrictEqual(present, identity)) return { state: "gone" };
  return { state: "gone", says: `pid ${identity.pid} is another process by now, and was left alone` };
}

function lookForPort({ id, name }: Thing, { cohort, leases, marked }: Surroundings): Sight {
  const holder = Object.keys(leases).find((lease) => leases[lease] === Number(id));
  if (holder !== undefined && (name === undefined || holder === name))
    return { state: "left", says: `port ${id}, leased to ${holder}`, remove: `./lab down ${cohort}` };
  // Given back, and leased by this lab home to somebody else since.
  if (holder !== undefined) return { state: "gone" };
  const listener = listenerOn(Number(id));
  if (listener === undefined) return { state: "gone" };
  const ours = [...marked.values()].flat().some(({ pid }) => pid === listener.pid);
  const says = `port ${id}, on which ${callerOf(listener)} listens`;
  return {
    state: ours ? "left" : "foreign",
    says: ours ? says : `${says} now`,
    remove: listener.pid === undefined ? `ss -tlnp sport = ${id}` : `kill ${listener.pid}`,
  };
}

function lookForPath({ kind, id }: Thing, { cohort, folder, inTheWay }: Surroundings): Sight {
  if (!existsSync(id)) return { state: "gone" };
  if (folder === "own" && inTheWay.some((file) => file.startsWith(`${id}/`))) {
    const files = inTheWay.map(shellWord).join(" ");
    return { state: "foreign", says: `${files}, a file where a learner's folder would be, so that ${id} stays`, remove: `rm ${files}` };
  }
  const isForeign = folder === "foreign" && `${id}/`.startsWith(`${cohortPaths(cohort).root}/`);
  return {
    state: isForeign ? "foreign" : "left",
    says: `${kind} ${id}${isForeign ? ", which is not what the lab made" : ""}`,
    remove: `rm -r ${shellWord(id)}`,
  };
}

/** A namespace lasts as long as a process is in it or it is mounted. Its number is given again, so its first process must live. */
function lookForNamespace({ id, identity }: Thing): Sight {
  if (identity === undefined || !isRunning(identity) || !namespacesOf(identity.pid).includes(id)) return { state: "gone" };
  return { state: "left", says: `namespace ${id}, in which process ${identity.pid} runs`, remove: `kill -9 ${identity.pid}` };
}

function lookForRun({ identity, name }: Thing): Sight {
  if (identity === undefined || identity.pid === process.pid || !isRunning(identity)) return { state: "gone" };
  return { state: "left", says: `process ${identity.pid}, which runs \`./lab ${name}\``, remove: `kill ${identity.pid}` };
}
