import { glob, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { inventoriedCohorts, recordCreation, type Thing } from "../host/inventory/inventory.ts";
import type { Sight } from "../host/inventory/looks.ts";
import { endOrphansOfEngine, engineMark, identify, isRunning } from "../host/process-identity.ts";
import { cohortPaths, labHome } from "../shared/paths.ts";
import { readIfExists, removeIfEmpty } from "../shared/private-files.ts";
import { waitUntil } from "../shared/wait.ts";
import { ownBackend, pulumiEnvironment } from "../tools/environment.ts";
import { projectFolder } from "./cohort-file.ts";
import { toolPath } from "../tools/locate.ts";
import { note } from "./terminal.ts";

/** A workspace on this project, with the tools and the state backend that `./lab env` names. */
async function openWorkspace(cohort: string): Promise<LocalWorkspace> {
  const environment = { ...(await pulumiEnvironment()), GITOPS_LAB_PULUMI: await toolPath("pulumi") };
  // The library asks `pulumi` for its version in this process' environment; the engine looks for its plugins on its own.
  Object.assign(process.env, environment);
  const pulumiCommand = await PulumiCommand.get({
    root: fileURLToPath(new URL("../tools/pulumi-engine", import.meta.url)),
    skipVersionCheck: true,
  });
  return LocalWorkspace.create({
    workDir: projectFolder,
    pulumiCommand,
    envVars: { ...environment, ...engineMark(cohortPaths(cohort).daemon) },
  });
}

/** The stack as the inventory has it; named by its backend, without credentials, so that it is not missed in another. */
export async function stackThing(cohort: string): Promise<Thing> {
  return { kind: "stack", id: `gitops-lab/${cohort}`, name: await backendName() };
}

/** The state backend in use. */
export async function backendName(): Promise<string> {
  const url = (await pulumiEnvironment())["PULUMI_BACKEND_URL"];
  return url === undefined ? "of pulumi login" : url.replace(/\/\/[^/@]*@/, "//");
}

/** The cohort's stack, made when it does not exist yet. Waits for an operation on it that still runs. */
export async function openStack(cohort: string): Promise<Stack> {
  const workspace = await openWorkspace(cohort);
  await awaitOtherOperations(workspace, cohort);
  await recordCreation(cohort, await stackThing(cohort));
  return Stack.createOrSelect(cohort, workspace);
}

/** The cohort's stack; undefined where there is none. Waits like `openStack`. */
export async function findStack(cohort: string): Promise<Stack | undefined> {
  const workspace = await openWorkspace(cohort);
  if (!(await workspace.listStacks()).some(({ name }) => name === cohort)) return undefined;
  await awaitOtherOperations(workspace, cohort);
  return Stack.select(cohort, workspace);
}

/** The names of all stacks of this project in the backend in use. */
export async function stackNames(): Promise<string[]> {
  const workspace = await openWorkspace("any");
  return (await workspace.listStacks()).map(({ name }) => name).sort();
}

/** What of a stack can still be found: by its files in the lab's own backend, by Pulumi in any other. */
export async function lookForStack(cohort: string): Promise<Sight> {
  const isOwn = (await backendName()).startsWith(pathToFileURL(ownBackend()).href);
  const present = isOwn
    ? await Array.fromAsync(glob(stackFiles(cohort), { cwd: ownBackend() }))
    : (await stackNames()).filter((name) => name === cohort);
  if (present.length === 0) return { state: "gone" };
  return { state: "left", says: `stack ${cohort}${isOwn ? ` (${join(ownBackend(), present[0]!)})` : ""}`, remove: `./lab down ${cohort}` };
}

const stackFiles = (cohort: string) => `.pulumi/{backups,history,locks,stacks}/**/{${cohort},${cohort}.json*}`;

const InState = z.object({ urn: z.string(), id: z.string().optional(), parent: z.string().optional() });
export type InState = z.output<typeof InState>;
const Deployment = z.object({
  resources: z.array(InState).default([]),
  pending_operations: z.array(z.object({ resource: InState, type: z.string() })).nullish(),
});

/** What is in the state, and what was being made when a run was killed. */
export async function readResources(
  stack: Stack,
): Promise<{ readonly resources: readonly InState[]; readonly creating: readonly InState[] }> {
  const { resources, pending_operations } = Deployment.parse((await stack.exportStack()).deployment ?? {});
  return { resources, creating: (pending_operations ?? []).flatMap(({ resource, type }) => (type === "creating" ? [resource] : [])) };
}

/** What Pulumi's state knows of a cohort. */
export interface StateSummary {
  /** URNs of everything that is a learner's, by id: the Learner component and what is below it. */
  readonly learners: ReadonlyMap<string, readonly string[]>;
  /** Whether what all learners stand on is there: daemon and registry. */
  readonly hasHost: boolean;
  /** Whether an operation was killed between beginning something and noting it. */
  readonly isPending: boolean;
  /** The learners of whom that was. */
  readonly pending: ReadonlySet<string>;
}

export async function readState(stack: Stack): Promise<StateSummary> {
  const { resources, pending_operations } = Deployment.parse((await stack.exportStack()).deployment ?? {});
  const owners = new Map<string, string>();
  const ownerOf = ({ urn, parent }: z.output<typeof InState>) =>
    /::gitops-lab:lab:Learner::(.+)$/.exec(urn)?.[1] ?? owners.get(parent ?? "");
  // A parent is in the state before its children.
  for (const resource of resources) {
    const owner = ownerOf(resource);
    if (owner !== undefined) owners.set(resource.urn, owner);
  }
  const pending = (pending_operations ?? []).map(({ resource }) => ownerOf(resource));
  return {
    learners: new Map(
      [...Map.groupBy(owners, ([, learner]) => learner)].map(([learner, entries]) => [learner, entries.map(([urn]) => urn)]),
    ),
    hasHost: resources.some(({ urn }) => urn.endsWith(":LabHost::lab-host")),
    isPending: pending.length > 0,
    pending: new Set(pending.filter((owner) => owner !== undefined)),
  };
}

/** The URNs of everything in the state that is a learner's. */
export async function learnerResources(stack: Stack, learner: string): Promise<readonly string[]> {
  return (await readState(stack)).learners.get(learner) ?? [];
}

/** The URN of a learner's component, below which everything of theirs is. */
export function learnerUrn(cohort: string, learner: string): string {
  return `urn:pulumi:${cohort}::gitops-lab::gitops-lab:lab:Learner::${learner}`;
}

/** Removes a destroyed stack, and from the lab's own state folder the copies that Pulumi keeps of its earlier states. */
export async function forgetStack(stack: Stack): Promise<void> {
  await stack.workspace.removeStack(stack.name, { preserveConfig: true });
  for await (const path of glob(stackFiles(stack.name), { cwd: ownBackend() })) {
    await rm(join(ownBackend(), path), { recursive: true, force: true });
  }
}

/** What the lab itself puts into its folder beside cohorts; with the drafts of files that a killed process was writing. */
const ofHome =
  /^(cohorts|inventory|pulumi|(mark|github-mark|ports\.json|rooms\.json|passphrase|evidence-key\.pem)(\..+)?|gitops-lab-overlay-.+|\.probe-.+)$/;

/**
 * Removes the lab's folder with its state backend and passphrase, once no cohort is left that needs them. Returns what is
 * in it that the lab did not put there and that therefore stays.
 */
export async function removeHomeWithoutCohorts(): Promise<string[]> {
  const home = labHome();
  const stacks = await Array.fromAsync(glob(".pulumi/stacks/*/*.json", { cwd: ownBackend() }));
  const cohorts = await readdir(join(home, "cohorts")).catch(() => []);
  if (stacks.length > 0 || cohorts.length > 0 || (await inventoriedCohorts()).length > 0) return [];
  const entries = await readdir(home).catch(() => []);
  for (const entry of entries.filter((name) => ofHome.test(name))) await rm(join(home, entry), { recursive: true, force: true });
  await removeIfEmpty(home);
  return entries.filter((name) => !ofHome.test(name)).map((name) => join(home, name));
}

const Lock = z.object({ pid: z.int(), hostname: z.string() });

/** Locks in a file backend whose process, of this machine, no longer runs. */
export async function staleStackLocks(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }[]> {
  const url = await backendName();
  if (!url.startsWith("file://")) return [];
  const folder = join(fileURLToPath(url), ".pulumi", "locks", "organization", "gitops-lab");
  const found = [];
  for await (const file of glob("*/*.json", { cwd: folder })) {
    const path = join(folder, file);
    if ((await holderOf(path))?.lives === false) found.push({ path, remove: () => rm(path, { force: true }) });
  }
  return found;
}

/** Who holds a lock, where it is a process of this machine. */
async function holderOf(path: string): Promise<{ readonly pid: number; readonly lives: boolean } | undefined> {
  const text = await readIfExists(path);
  const lock = Lock.safeParse(text === undefined ? undefined : JSON.parse(text));
  if (!lock.success || lock.data.hostname !== hostname()) return undefined;
  const holder = identify(lock.data.pid);
  return { pid: lock.data.pid, lives: holder !== undefined && isRunning(holder) };
}

/**
 * Pulumi's file backend keeps a lock per running operation, which a killed one leaves behind. The lock names its
 * process: one of this machine that no longer runs holds nothing, one that runs is waited for.
 */
async function awaitOtherOperations(workspace: LocalWorkspace, cohort: string): Promise<void> {
  endOrphansOfEngine(cohortPaths(cohort).daemon);
  let told = false;
  await waitUntil(
    async () => {
      const [holder] = await dropDeadLocks(workspace, cohort);
      if (holder === undefined) return { done: true, value: undefined };
      if (!told) note(`Waiting for another operation on cohort ${cohort} to end (process ${holder}).`);
      told = true;
      return { done: false, because: `process ${holder} holds the stack's lock.` };
    },
    {
      what: `another operation on cohort ${cohort} to end`,
      timeoutSeconds: 900,
      intervalMs: 500,
      remedy: "If that process hangs, end it with `kill` and run the command again.",
    },
  );
}

/** Ends what an interrupted operation left: processes of its engine, and its lock on the stack. */
export async function cleanUpAfterEngine({ workspace, name }: Stack): Promise<void> {
  endOrphansOfEngine(cohortPaths(name).daemon);
  await dropDeadLocks(workspace as LocalWorkspace, name);
}

/** Removes the locks whose process no longer runs. Returns the processes that hold one. */
async function dropDeadLocks({ envVars }: LocalWorkspace, cohort: string): Promise<number[]> {
  const backend = envVars["PULUMI_BACKEND_URL"];
  if (!backend?.startsWith("file://")) return [];
  const folder = join(fileURLToPath(backend), ".pulumi", "locks", "organization", "gitops-lab", cohort);
  const holders: number[] = [];
  for await (const file of glob("*.json", { cwd: folder })) {
    const holder = await holderOf(join(folder, file));
    if (holder?.lives === true) holders.push(holder.pid);
    else if (holder !== undefined) await rm(join(folder, file), { force: true });
  }
  return holders;
}
