import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { isDaemonUp, processStatus, startDaemon } from "../../host/daemon/client.ts";
import { removeOtherLearners } from "../../host/drivers/lab-host.ts";
import { readDaemonConfig } from "../../host/daemon/config.ts";
import { requirePorts } from "../../host/ports.ts";
import { findMarked } from "../../host/process-identity.ts";
import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { cohortPaths, labHome } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { Progress } from "../progress.ts";
import { readOutputs } from "../outputs.ts";
import { openStack } from "../stack.ts";
import { duration, note, paint } from "../terminal.ts";
import { installTools } from "./setup.ts";
import { verifyCohort } from "./verify.ts";

/** The daemon's and the registry's; the API server's and source-controller's. */
const hostPorts = 2;
const portsPerLearner = 2;

/** Measured: a learner's etcd, logs and Flux storage stay below 100 MB in a first day; see docs/measurements.md. */
const bytesPerLearner = 200 * 1024 * 1024;

/** Brings a cohort up, or to what its file says now, and proves it. Returns the exit code. */
export async function up(name: string): Promise<number> {
  const plan = await readCohort(name);
  return keepingCohortFile(plan.cohort, () => bringUp(plan));
}

async function bringUp(plan: CohortPlan): Promise<number> {
  const started = Date.now();
  await requireRoom(plan.learners.length);
  const idle = findMarked(cohortPaths(plan.cohort).daemon).length === 0;
  await requirePorts(plan.cohort, hostPorts + portsPerLearner * plan.learners.length, plan.ports, idle);
  await installTools(plan);

  const { cohort } = plan;
  if ((await readDaemonConfig(cohort)) !== undefined && !(await isDaemonUp(cohort))) {
    note(`Starting the processes of cohort ${cohort}, which were not running.`);
    await startDaemon(cohort);
  }
  const ids = plan.learners.map(({ learner }) => learner.id);
  note(`Bringing up cohort ${cohort}: ${ids.length} ${ids.length === 1 ? "learner" : "learners"}, template ${plan.template}.`);
  const stack = await openStack(cohort);
  const progress = new Progress(ids);
  if (await needsRefresh(stack)) {
    note("The last run did not finish, or part of the cohort is gone: looking at what there is.");
    await stack.refresh({ onEvent: progress.onEvent, color: "never", clearPendingCreates: true });
  }
  let failed: readonly string[] = [];
  try {
    // One learner's failure stops nobody else.
    const { summary } = await stack.up({ onEvent: progress.onEvent, color: "never", continueOnError: true });
    const changes = Object.entries(summary.resourceChanges ?? {}).flatMap(([op, count]) => (op === "same" ? [] : [`${count} ${op}`]));
    note(`${changes.length === 0 ? "0 changes" : changes.join(", ")}, in ${duration(Date.now() - started)}.`);
  } catch (error) {
    failed = ids.filter((id) => progress.failures.has(id));
    if (failed.length === 0 || failed.length === ids.length) {
      throw new LabError("up-failed", `Cohort ${cohort} did not come up. ${causes(progress, error)} Run \`./lab up ${cohort}\` again: what is there already stays.`, {
        cause: error,
      });
    }
  }
  const removed = await removeOtherLearners(cohort, new Set(ids));
  if (removed.length > 0) note(`Removed what was still here of ${removed.join(", ")}, no learner of the cohort file.`);
  const outputs = await readOutputs(cohort);
  for (const sentence of outputs.simulated) note(paint("yellow", `simulated: ${sentence}`, process.stderr));
  const verdict = await verifyCohort(outputs, { json: false });
  if (failed.length === 0) return verdict;
  for (const id of failed) note(`${paint("red", id, process.stderr)} did not come up: ${progress.failures.get(id)?.join(" ")}`);
  note(`${ids.length - failed.length} of ${ids.length} learners are up. \`./lab up ${cohort}\` tries the others again and leaves these as they are.`);
  return ExitCode.failed;
}

/** Whether Pulumi's state may tell of things that are no longer there, which only a refresh makes it see. */
async function needsRefresh(stack: Stack): Promise<boolean> {
  const last = await stack.info();
  if (last === undefined) return false;
  if (last.result !== "succeeded") return true;
  const learners = Object.values(((await stack.outputs())["learners"]?.value ?? {}) as CohortOutputs["learners"]).filter(({ cluster }) => cluster.kind === "embedded");
  const wanted = new Set((await processStatus(stack.name)).map(({ name }) => name));
  const expected = ["registry", ...learners.flatMap(({ id }) => [`${id}/kube-apiserver`, `${id}/source-controller`])];
  return learners.length > 0 && (expected.some((name) => !wanted.has(name)) || learners.some(({ id }) => !existsSync(cohortPaths(stack.name).learner(id).root)));
}

async function requireRoom(learners: number): Promise<void> {
  const home = labHome();
  try {
    await makePrivateFolder(home);
  } catch (error) {
    throw new LabError("home-unwritable", `The lab's folder ${home} cannot be written: ${messageOf(error)}. Nothing was created. Set GITOPS_LAB_HOME to a folder of yours.`, {
      exitCode: ExitCode.badInput,
      cause: error,
    });
  }
  const { bavail, bsize } = await statfs(home);
  const free = bavail * bsize;
  const needed = learners * bytesPerLearner + 1024 ** 3;
  if (free < needed) {
    const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
    throw new LabError(
      "disk-full",
      `${home} has ${gib(free)} free and ${learners} learners need ${gib(needed)}. Nothing was created. Free some space, or set GITOPS_LAB_HOME to a folder on a larger disk.`,
      { exitCode: ExitCode.badInput },
    );
  }
}

/** What went wrong, from the engine's own diagnostics where it gave any. */
export function causes(progress: Progress, error: unknown): string {
  return progress.errors.length > 0 ? progress.errors.join("\n") : messageOf(error);
}
