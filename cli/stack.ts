import { glob, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LocalWorkspace, PulumiCommand, Stack, StackNotFoundError } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { recordCreation, type Thing } from "../host/inventory/inventory.ts";
import type { Sight } from "../host/inventory/looks.ts";
import { endOrphansOfEngine, engineMark } from "../host/process-identity.ts";
import { cohortPaths } from "../shared/paths.ts";
import { pulumiEnvironment } from "../tools/environment.ts";
import { toolPath } from "../tools/locate.ts";
import { pulumiProject } from "./project.ts";
import { backendName, stateFolder } from "./state/backend.ts";
import { cohortsInState, stateFiles } from "./state/files.ts";
import { awaitUnlocked, dropDeadLocks, staleLocks, type ForeignLocks } from "./state/locks.ts";
import { mendState } from "./state/mend.ts";

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
    workDir: await pulumiProject(cohort),
    pulumiCommand,
    envVars: { ...environment, ...engineMark(cohortPaths(cohort).daemon) },
  });
}

/** The stack as the inventory has it; named by its backend, without credentials, so that it is not missed in another. */
export async function stackThing(cohort: string): Promise<Thing> {
  return { kind: "stack", id: `gitops-lab/${cohort}`, name: await backendName() };
}

/** Waits until nobody works on the cohort, and makes its state readable. */
async function makeReady(cohort: string, foreign: ForeignLocks): Promise<void> {
  endOrphansOfEngine(cohortPaths(cohort).daemon);
  const folder = await stateFolder();
  if (folder === undefined) return;
  await awaitUnlocked(folder, cohort, foreign);
  await mendState(folder, cohort);
}

/** The cohort's stack, made when it does not exist yet. Waits for an operation on it that still runs. */
export async function openStack(cohort: string): Promise<Stack> {
  const workspace = await openWorkspace(cohort);
  await makeReady(cohort, "refuse");
  await recordCreation(cohort, await stackThing(cohort));
  return Stack.createOrSelect(cohort, workspace);
}

/** The cohort's stack; undefined where there is none. Waits like `openStack`. Looks at no other cohort's. */
export async function findStack(cohort: string, foreign: ForeignLocks = "refuse"): Promise<Stack | undefined> {
  const workspace = await openWorkspace(cohort);
  await makeReady(cohort, foreign);
  try {
    return await Stack.select(cohort, workspace);
  } catch (error) {
    if (error instanceof StackNotFoundError) return undefined;
    throw error;
  }
}

/** The names of all stacks of this project in the backend in use. */
export async function stackNames(): Promise<string[]> {
  const folder = await stateFolder();
  // Pulumi would read all of them, and end at the first that is cut off.
  if (folder !== undefined) return cohortsInState(folder);
  const workspace = await openWorkspace("any");
  return (await workspace.listStacks()).map(({ name }) => name).sort();
}

/** What of a stack can still be found: by its files where the backend is a folder, by Pulumi in any other. */
export async function lookForStack(cohort: string): Promise<Sight> {
  const folder = await stateFolder();
  const present =
    folder === undefined
      ? (await stackNames()).filter((name) => name === cohort)
      : await Array.fromAsync(glob(stateFiles(cohort), { cwd: folder }));
  if (present.length === 0) return { state: "gone" };
  return {
    state: "left",
    says: `stack ${cohort}${folder === undefined ? "" : ` (${join(folder, present[0]!)})`}`,
    remove: `./lab down ${cohort}`,
  };
}

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

/** Removes a stack of which nothing is left, and from a backend that is a folder also the copies that Pulumi keeps of its earlier states. */
export async function forgetStack(stack: Stack): Promise<void> {
  const folder = await stateFolder();
  await stack.workspace.removeStack(stack.name, { preserveConfig: true }).catch((error: unknown) => {
    // Its files go all the same.
    if (folder === undefined) throw error;
  });
  if (folder === undefined) return;
  for await (const path of glob(stateFiles(stack.name), { cwd: folder })) await rm(join(folder, path), { recursive: true, force: true });
}

/** Locks in a file backend whose process, of this machine, no longer runs. */
export async function staleStackLocks(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }[]> {
  const folder = await stateFolder();
  return folder === undefined ? [] : staleLocks(folder);
}

/** Ends what an interrupted operation left: processes of its engine, and its lock on the stack. */
export async function cleanUpAfterEngine({ name }: Stack): Promise<void> {
  endOrphansOfEngine(cohortPaths(name).daemon);
  const folder = await stateFolder();
  if (folder !== undefined) await dropDeadLocks(folder, name);
}
