import { glob, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { inventoriedCohorts, recordCreation, type Thing } from "../host/inventory/inventory.ts";
import type { Sight } from "../host/inventory/looks.ts";
import { endOrphansOfEngine, engineName, identify, mark } from "../host/process-identity.ts";
import { cohortPaths, labHome } from "../shared/paths.ts";
import { readIfExists, removeIfEmpty } from "../shared/private-files.ts";
import { waitUntil } from "../shared/wait.ts";
import { ownBackend, pulumiEnvironment } from "../tools/environment.ts";
import { projectFolder } from "./cohort-file.ts";
import { note } from "./terminal.ts";

/** A workspace on this project, with the tools and the state backend that `./lab env` names. */
async function openWorkspace(cohort: string): Promise<LocalWorkspace> {
  const environment = await pulumiEnvironment();
  // The automation library looks for `pulumi` on this process' PATH, the engine for its plugins on its own.
  Object.assign(process.env, environment);
  const pulumiCommand = await PulumiCommand.get({ skipVersionCheck: true });
  return LocalWorkspace.create({ workDir: projectFolder, pulumiCommand, envVars: { ...environment, ...mark(cohortPaths(cohort).daemon, engineName) } });
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
  const present = isOwn ? await Array.fromAsync(glob(stackFiles(cohort), { cwd: ownBackend() })) : (await stackNames()).filter((name) => name === cohort);
  if (present.length === 0) return { state: "gone" };
  return { state: "left", says: `stack ${cohort}${isOwn ? ` (${join(ownBackend(), present[0]!)})` : ""}`, remove: `./lab down ${cohort}` };
}

const stackFiles = (cohort: string) => `.pulumi/{backups,history,locks,stacks}/**/{${cohort},${cohort}.json*}`;

const Resources = z.object({ resources: z.array(z.object({ urn: z.string(), parent: z.string().optional() })).default([]) });

/** The URNs of everything in the state that is a learner's: the Learner component and what is below it. */
export async function learnerResources(stack: Stack, learner: string): Promise<string[]> {
  const { resources } = Resources.parse((await stack.exportStack()).deployment);
  // A parent is in the state before its children.
  const found = new Set<string>();
  for (const { urn, parent } of resources) {
    if (urn.endsWith(`::gitops-lab:lab:Learner::${learner}`) || (parent !== undefined && found.has(parent))) found.add(urn);
  }
  return [...found];
}

/** Removes a destroyed stack, and from the lab's own state folder the copies that Pulumi keeps of its earlier states. */
export async function forgetStack(stack: Stack): Promise<void> {
  await stack.workspace.removeStack(stack.name, { preserveConfig: true });
  for await (const path of glob(stackFiles(stack.name), { cwd: ownBackend() })) {
    await rm(join(ownBackend(), path), { recursive: true, force: true });
  }
}

/** What the lab itself puts into its folder beside cohorts; with the drafts of files that a killed process was writing. */
const ofHome = /^(cohorts|inventory|pulumi|(ports\.json|passphrase|evidence-key\.pem)(\..+)?|gitops-lab-overlay-.+)$/;

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
  return { pid: lock.data.pid, lives: identify(lock.data.pid) !== undefined };
}

/**
 * Pulumi's file backend keeps a lock per running operation, which a killed one leaves behind. The lock names its
 * process: one of this machine that no longer runs holds nothing, one that runs is waited for.
 */
async function awaitOtherOperations({ envVars }: LocalWorkspace, cohort: string): Promise<void> {
  const backend = envVars["PULUMI_BACKEND_URL"];
  if (!backend?.startsWith("file://")) return endOrphansOfEngine(cohortPaths(cohort).daemon);
  const folder = join(fileURLToPath(backend), ".pulumi", "locks", "organization", "gitops-lab", cohort);
  let told = false;
  await waitUntil(
    async () => {
      for await (const file of glob("*.json", { cwd: folder })) {
        const holder = await holderOf(join(folder, file));
        if (holder?.lives === false) await rm(join(folder, file), { force: true });
        if (holder?.lives !== true) continue;
        if (!told) note(`Waiting for another operation on cohort ${cohort} to end (process ${holder.pid}).`);
        told = true;
        return { done: false, because: `process ${holder.pid} holds the stack's lock.` };
      }
      return { done: true, value: undefined };
    },
    { what: `another operation on cohort ${cohort} to end`, timeoutSeconds: 900, intervalMs: 500, remedy: "If that process hangs, end it with `kill` and run the command again." },
  );
  endOrphansOfEngine(cohortPaths(cohort).daemon);
}
