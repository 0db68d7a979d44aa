import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { glob, readFile } from "node:fs/promises";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation/index.js";
import { z } from "zod";
import { LabError } from "../shared/errors.ts";
import { CohortOutputs } from "../shared/outputs.ts";
import { pulumiEnvironment } from "../tools/environment.ts";
import { projectFolder } from "./cohort-file.ts";

/** A workspace on this project, with the tools and the state backend that `./lab env` names. */
async function openWorkspace(): Promise<LocalWorkspace> {
  const environment = await pulumiEnvironment();
  // The automation library looks for `pulumi` on this process' PATH, the engine for its plugins on its own.
  Object.assign(process.env, environment);
  const pulumiCommand = await PulumiCommand.get({ skipVersionCheck: true });
  return LocalWorkspace.create({ workDir: projectFolder, pulumiCommand, envVars: environment });
}

/** The cohort's stack, made when it does not exist yet. */
export async function openStack(cohort: string): Promise<Stack> {
  const workspace = await openWorkspace();
  await clearDeadLocks(workspace.envVars["PULUMI_BACKEND_URL"], cohort);
  const { Stack } = await import("@pulumi/pulumi/automation/index.js");
  return Stack.createOrSelect(cohort, workspace);
}

/** The cohort's stack; undefined where there is none. */
export async function findStack(cohort: string): Promise<Stack | undefined> {
  const workspace = await openWorkspace();
  if (!(await workspace.listStacks()).some(({ name }) => name === cohort)) return undefined;
  await clearDeadLocks(workspace.envVars["PULUMI_BACKEND_URL"], cohort);
  const { Stack } = await import("@pulumi/pulumi/automation/index.js");
  return Stack.select(cohort, workspace);
}

/** What the last `up` of a cohort told. Throws LabError when there is none, or one of another version of this program. */
export async function readOutputs(cohort: string): Promise<CohortOutputs> {
  const stack = await findStack(cohort);
  const outputs = stack === undefined ? {} : Object.fromEntries(Object.entries(await stack.outputs()).map(([key, { value }]) => [key, value as unknown]));
  if (Object.keys(outputs).length === 0) {
    throw new LabError("cohort-not-up", `Cohort ${cohort} is not up, or its first \`up\` did not finish. Run \`./lab up ${cohort}\`.`);
  }
  const parsed = CohortOutputs.safeParse(outputs);
  if (parsed.success) return parsed.data;
  throw new LabError(
    "outputs-unreadable",
    `The outputs of cohort ${cohort} are not in this version's form (schemaVersion ${String(outputs["schemaVersion"])}, expected 1). Run \`./lab up ${cohort}\` to write them anew.`,
    { cause: parsed.error },
  );
}

const Lock = z.object({ pid: z.int(), hostname: z.string() });

/**
 * Pulumi's file backend keeps a lock per running operation, which a killed one leaves behind. The lock names its
 * process: one of this machine that no longer runs holds nothing.
 */
async function clearDeadLocks(backend: string | undefined, cohort: string): Promise<void> {
  if (!backend?.startsWith("file://")) return;
  const folder = join(fileURLToPath(backend), ".pulumi", "locks", "organization", "gitops-lab", cohort);
  for await (const file of glob("*.json", { cwd: folder })) {
    const lock = Lock.safeParse(JSON.parse(await readFile(join(folder, file), "utf8")));
    if (lock.success && lock.data.hostname === hostname() && !runs(lock.data.pid)) await rm(join(folder, file), { force: true });
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
