import { glob, readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { endOrphansOfEngine, engineName, identify, mark } from "../host/process-identity.ts";
import { cohortPaths, labHome } from "../shared/paths.ts";
import { readIfExists } from "../shared/private-files.ts";
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

/** The cohort's stack, made when it does not exist yet. Waits for an operation on it that still runs. */
export async function openStack(cohort: string): Promise<Stack> {
  const workspace = await openWorkspace(cohort);
  await awaitOtherOperations(workspace, cohort);
  return Stack.createOrSelect(cohort, workspace);
}

/** The cohort's stack; undefined where there is none. Waits like `openStack`. */
export async function findStack(cohort: string): Promise<Stack | undefined> {
  const workspace = await openWorkspace(cohort);
  if (!(await workspace.listStacks()).some(({ name }) => name === cohort)) return undefined;
  await awaitOtherOperations(workspace, cohort);
  return Stack.select(cohort, workspace);
}

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
  for await (const path of glob(`.pulumi/{backups,history,locks,stacks}/**/{${stack.name},${stack.name}.json*}`, { cwd: ownBackend() })) {
    await rm(join(ownBackend(), path), { recursive: true, force: true });
  }
}

/** Removes the lab's folder with its state backend and passphrase, once no cohort is left that needs them. */
export async function removeHomeWithoutCohorts(): Promise<void> {
  const stacks = await Array.fromAsync(glob(".pulumi/stacks/*/*.json", { cwd: ownBackend() }));
  const cohorts = await readdir(join(labHome(), "cohorts")).catch(() => []);
  if (stacks.length === 0 && cohorts.length === 0) await rm(labHome(), { recursive: true, force: true });
}

const Lock = z.object({ pid: z.int(), hostname: z.string() });

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
        const text = await readIfExists(join(folder, file));
        const lock = Lock.safeParse(text === undefined ? undefined : JSON.parse(text));
        if (!lock.success || lock.data.hostname !== hostname()) continue;
        if (identify(lock.data.pid) === undefined) {
          await rm(join(folder, file), { force: true });
          continue;
        }
        if (!told) note(`Waiting for another operation on cohort ${cohort} to end (process ${lock.data.pid}).`);
        told = true;
        return { done: false, because: `process ${lock.data.pid} holds the stack's lock.` };
      }
      return { done: true, value: undefined };
    },
    { what: `another operation on cohort ${cohort} to end`, timeoutSeconds: 900, intervalMs: 500, remedy: "If that process hangs, end it with `kill` and run the command again." },
  );
  endOrphansOfEngine(cohortPaths(cohort).daemon);
}
