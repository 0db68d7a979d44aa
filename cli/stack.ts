import { glob, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LocalWorkspace, Stack } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { readInventory, recordCreation, recordGone, type Thing } from "../ledger/inventory.ts";
import type { Sight } from "../ledger/sight.ts";
import { endOrphansOfEngine, engineMark } from "../ledger/process-identity.ts";
import { LabError, messageOf } from "../shared/errors.ts";
import { cohortPaths, type CohortPaths } from "../shared/paths.ts";
import { shellWord } from "../shared/shell-word.ts";
import { folderOfBackend } from "../tools/backend.ts";
import { pulumiEnvironment } from "../tools/environment.ts";
import { toolPath } from "../tools/locate.ts";
import { pulumiHome } from "../tools/plugin-choice.ts";
import { projectFolder } from "./cohort-file.ts";
import { pulumiProject } from "./project.ts";
import { backendName, stateFolder } from "./state/backend.ts";
import { cohortsInState, lastResult, readCheckpoint, stateFiles } from "./state/files.ts";
import { awaitUnlocked, dropDeadLocks, staleLocks, type ForeignLocks } from "./state/locks.ts";
import { withState } from "./state/failures.ts";
import { mendSettings, mendState } from "./state/mend.ts";
import { requireOwnSecrets } from "./state/passphrase.ts";

/** Over a hundred modules, which take a second to load: only what needs an engine waits for them. */
const automation = () => import("@pulumi/pulumi/automation/index.js");

/** A workspace on this project, with the tools and the state backend that `./lab env` names. */
async function openWorkspace(paths: CohortPaths): Promise<LocalWorkspace> {
  const { LocalWorkspace, PulumiCommand } = await automation();
  const environment = { ...(await pulumiEnvironment()), GITOPS_LAB_PULUMI: await toolPath("pulumi") };
  // The library asks `pulumi` for its version in this process' environment; the engine looks for its plugins on its own.
  Object.assign(process.env, environment);
  const pulumiCommand = await PulumiCommand.get({
    root: fileURLToPath(new URL("../tools/pulumi-engine", import.meta.url)),
    skipVersionCheck: true,
  });
  return LocalWorkspace.create({
    workDir: await pulumiProject(paths.cohort),
    pulumiCommand,
    envVars: { ...environment, ...engineMark(paths.daemon) },
  });
}

/**
 * A stack whose operations end with what they did: Pulumi's library reads all outputs twice and the history once after each, three
 * programs that derive the key of the secrets anew, and nobody here looks at what it returns.
 */
function withoutSummaries(stack: Stack): Stack {
  return Object.assign(stack, { outputs: () => Promise.resolve({}), info: () => Promise.resolve(undefined) });
}

/** Where the state is in the folder of a backend, nobody needs to be asked whether it is there: each operation names its stack. */
async function unasked(workspace: LocalWorkspace, cohort: string): Promise<LocalWorkspace> {
  const folder = await stateFolder();
  const isThere = folder !== undefined && (await readCheckpoint(folder, cohort)) !== undefined;
  return isThere ? Object.assign(workspace, { selectStack: () => Promise.resolve() }) : workspace;
}

/** The stack as the inventory has it; named by its backend, without credentials, so that it is not missed in another. */
export async function stackThing(cohort: string): Promise<Thing> {
  return { kind: "stack", id: `gitops-lab/${cohort}`, name: await backendName() };
}

/** Waits until nobody works on the cohort, and makes its state readable. */
async function makeReady(paths: CohortPaths, foreign: ForeignLocks): Promise<void> {
  endOrphansOfEngine(paths.daemon);
  const folder = await stateFolder();
  if (folder === undefined) return;
  await awaitUnlocked(folder, paths.cohort, foreign);
  await mendState(folder, paths.cohort);
  await mendSettings(pulumiHome());
}

/** The cohort's stack, made when it does not exist yet. Waits for an operation on it that still runs. */
export async function openStack(paths: CohortPaths): Promise<Stack> {
  const { Stack } = await automation();
  const workspace = await openWorkspace(paths);
  await makeReady(paths, "refuse");
  await requireOwnSecrets(paths.cohort);
  const before = (await readInventory(paths.cohort)).find(({ kind }) => kind === "stack");
  const thing = await stackThing(paths.cohort);
  await recordCreation(paths.cohort, thing);
  try {
    const { cohort } = paths;
    return withoutSummaries(await withState(cohort, async () => Stack.createOrSelect(cohort, await unasked(workspace, cohort))));
  } catch (error) {
    // In a backend that can't be used there is nothing, and nobody could look for it there.
    if (error instanceof LabError && error.code === "backend-unusable")
      await (before === undefined ? recordGone(paths.cohort, [thing]) : recordCreation(paths.cohort, before));
    throw error;
  }
}

/** The cohort's stack; undefined where there is none. Waits like `openStack`. Looks at no other cohort's. */
export async function findStack(paths: CohortPaths, foreign: ForeignLocks = "refuse"): Promise<Stack | undefined> {
  const { Stack, StackNotFoundError } = await automation();
  const workspace = await openWorkspace(paths);
  await makeReady(paths, foreign);
  // What is to go needs no secret of the file's.
  await requireOwnSecrets(paths.cohort).catch((error: unknown) => {
    if (foreign === "refuse") throw error;
  });
  try {
    const { cohort } = paths;
    return withoutSummaries(await withState(cohort, async () => Stack.select(cohort, await unasked(workspace, cohort))));
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
  const workspace = await openWorkspace(cohortPaths("any"));
  return (await withState("any", () => workspace.listStacks())).map(({ name }) => name).sort();
}

/**
 * What of a stack can still be found: by its files where the backend is a folder, by Pulumi in any other.
 *
 * @param noted the backend in which the inventory says that it is, which may be another than the one in use
 */
export async function lookForStack(cohort: string, noted?: string): Promise<Sight> {
  const inUse = await backendName();
  const isElsewhere = noted !== undefined && noted !== inUse;
  const folder = isElsewhere ? folderOfBackend(noted, projectFolder) : await stateFolder();
  const remove = isElsewhere ? `PULUMI_BACKEND_URL=${shellWord(noted)} ./lab down ${cohort}` : `./lab down ${cohort}`;
  if (folder !== undefined) {
    const [file] = await Array.fromAsync(glob(stateFiles(cohort), { cwd: folder }));
    return file === undefined ? { state: "gone" } : { state: "left", says: `stack ${cohort} (${join(folder, file)})`, remove };
  }
  // What a login chose may be another since, and can't be told from this one.
  if (isElsewhere && noted.includes("://"))
    return { state: "unknown", says: `stack ${cohort} in the backend ${noted}, while ${inUse} is in use`, remove };
  try {
    return (await stackNames()).includes(cohort) ? { state: "left", says: `stack ${cohort}`, remove } : { state: "gone" };
  } catch (error) {
    return {
      state: "unknown",
      says: `stack ${cohort} in ${inUse}, which does not answer: ${messageOf(error).trim().split("\n").at(-1)}`,
      remove,
    };
  }
}

const InState = z.object({ urn: z.string(), id: z.string().optional(), parent: z.string().optional() });
export type InState = z.output<typeof InState>;
const Deployment = z.object({
  resources: z.array(InState).default([]),
  pending_operations: z.array(z.object({ resource: InState, type: z.string() })).nullish(),
});

const Checkpoint = z.object({ checkpoint: z.object({ latest: Deployment }) });

/** From the file where there is one: Pulumi's CLI asks for the secrets as well, and none of this is one. */
async function readDeployment(stack: Stack): Promise<z.output<typeof Deployment>> {
  const folder = await stateFolder();
  const state = folder === undefined ? undefined : Checkpoint.safeParse(await readCheckpoint(folder, stack.name));
  if (state?.success) return state.data.checkpoint.latest;
  const { deployment } = await withState(stack.name, () => stack.exportStack());
  return Deployment.parse(deployment ?? {});
}

/** Whether the last operation on a stack came to a good end; false where there was none. */
export async function lastSucceeded(stack: Stack): Promise<boolean> {
  const folder = await stateFolder();
  const result = folder === undefined ? (await stack.history(1, undefined, false))[0]?.result : await lastResult(folder, stack.name);
  return result === "succeeded";
}

/** What is in the state, and what was being made when a run was killed. */
export async function readResources(
  stack: Stack,
): Promise<{ readonly resources: readonly InState[]; readonly creating: readonly InState[] }> {
  const { resources, pending_operations } = await readDeployment(stack);
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
  /** The learners whose resources these were. */
  readonly pending: ReadonlySet<string>;
}

export async function readState(stack: Stack): Promise<StateSummary> {
  const { resources, pending_operations } = await readDeployment(stack);
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

/**
 * Removes a cohort's stack when nothing is left in it, and from a backend that is a folder also what Pulumi keeps of its earlier
 * states, or left where there is no stack.
 *
 * @param force also where the state tells of things, since nobody can read it
 */
export async function forgetStack(cohort: string, stack: Stack | undefined, force = false): Promise<void> {
  const folder = await stateFolder();
  await stack?.workspace.removeStack(cohort, { preserveConfig: true, force }).catch((error: unknown) => {
    // Its files go all the same.
    if (folder === undefined) throw error;
  });
  if (folder === undefined) return;
  for await (const path of glob(stateFiles(cohort), { cwd: folder })) await rm(join(folder, path), { recursive: true, force: true });
}

/** Locks in a file backend whose process, of this machine, no longer runs. */
export async function staleStackLocks(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }[]> {
  const folder = await stateFolder();
  return folder === undefined ? [] : staleLocks(folder);
}

/** Ends what an interrupted operation left: processes of its engine, and its lock on the stack. */
export async function cleanUpAfterEngine({ name }: Pick<Stack, "name">, paths: CohortPaths): Promise<void> {
  endOrphansOfEngine(paths.daemon);
  const folder = await stateFolder();
  if (folder !== undefined) await dropDeadLocks(folder, name);
}
