import { existsSync } from "node:fs";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { isDaemonUp, processStatus, startDaemon } from "../../host/daemon/client.ts";
import { removeOtherLearners } from "../../host/drivers/lab-host.ts";
import { readDaemonConfig } from "../../host/daemon/config.ts";
import { requireAddress } from "../../host/doors/address.ts";
import { requirePorts } from "../../host/ports.ts";
import { findMarked } from "../../host/process-identity.ts";
import { ExitCode, LabError, messageOf } from "../../shared/errors.ts";
import { containersOf } from "../../host/kind/cli.ts";
import { kindName } from "../../host/kind/config.ts";
import { tokenEnd } from "../../shared/kubeconfig.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths, labHome } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { capacityFor, remedies } from "../capacity/capacity.ts";
import { costsOf, learnersHere, portsNeeded } from "../capacity/costs.ts";
import { machineFacts } from "../capacity/facts.ts";
import { cloudRemedy } from "../cloud-failures.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { Progress } from "../progress.ts";
import { arrivals, backUp, hasWork, leavers, leaversSentence } from "../course/backup.ts";
import { readOutputs } from "../outputs.ts";
import { requireProviders } from "../providers.ts";
import { openStack } from "../stack.ts";
import { duration, note, paint } from "../terminal.ts";
import { installTools } from "./setup.ts";
import { verifyCohort } from "./verify.ts";

/**
 * Brings a cohort up, or to what its file says now, and proves it. Returns the exit code.
 *
 * @param options.force also where measured costs say that it does not fit
 */
export async function up(name: string, options: { readonly force: boolean }): Promise<number> {
  const plan = await readCohort(name);
  return keepingCohortFile(plan.cohort, () => bringUp(plan, options.force));
}

async function bringUp(plan: CohortPlan, force: boolean): Promise<number> {
  const started = Date.now();
  await requireHome();
  if (plan.opening) await requireAddress(plan.opening);
  const idle = findMarked(cohortPaths(plan.cohort).daemon).length === 0;
  await requirePorts(plan.cohort, portsNeeded(plan), plan.ports, idle);
  await requireRoom(plan, force);
  await installTools(plan);
  await requireProviders(plan);

  const { cohort } = plan;
  if ((await readDaemonConfig(cohort)) !== undefined && !(await isDaemonUp(cohort))) {
    note(`Starting the processes of cohort ${cohort}, which were not running.`);
    await startDaemon(cohort);
  }
  const ids = plan.learners.map(({ learner }) => learner.id);
  note(`Bringing up cohort ${cohort}: ${ids.length} ${ids.length === 1 ? "learner" : "learners"}, template ${plan.template}.`);
  const leaving = await leavers(cohort, ids);
  if (leaving.length > 0) {
    note(leaversSentence(leaving, await arrivals(cohort, ids)));
    for (const id of leaving) if (await hasWork(cohort, id)) note(`Kept what ${id} had in ${await backUp(cohort, id)}.`);
  }
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
  for (const id of failed) {
    const told = progress.failures.get(id)?.join(" ") ?? "";
    note(`${paint("red", id, process.stderr)} did not come up: ${[told, cloudRemedy(told)].filter(Boolean).join(" ")}`);
  }
  note(`${ids.length - failed.length} of ${ids.length} learners are up. \`./lab up ${cohort}\` tries the others again and leaves these as they are.`);
  return ExitCode.failed;
}

/** Whether Pulumi's state may tell of things that are no longer there, which only a refresh makes it see. */
async function needsRefresh(stack: Stack): Promise<boolean> {
  const last = await stack.info();
  if (last === undefined) return false;
  if (last.result !== "succeeded") return true;
  const all = Object.values(((await stack.outputs())["learners"]?.value ?? {}) as CohortOutputs["learners"]);
  // A learner's token that has ended, and a kind cluster that is gone, are found by looking.
  if (all.some(({ cluster }) => cluster.kind !== "embedded" && (tokenEnd(cluster.kubeconfig) ?? new Date(8.64e15)) < new Date())) return true;
  if (await anyKindGone(stack.name, all)) return true;
  const learners = all.filter(({ cluster }) => cluster.kind === "embedded");
  const wanted = new Set((await processStatus(stack.name)).map(({ name }) => name));
  const expected = ["registry", ...learners.flatMap(({ id }) => [`${id}/kube-apiserver`, `${id}/source-controller`])];
  return learners.length > 0 && (expected.some((name) => !wanted.has(name)) || learners.some(({ id }) => !existsSync(cohortPaths(stack.name).learner(id).root)));
}

/** Whether a kind cluster that was made is there no more. Where Docker does not answer, that is for the run to say. */
async function anyKindGone(cohort: string, learners: readonly LearnerOutputs[]): Promise<boolean> {
  const gone = await Promise.all(
    learners.flatMap(({ id, cluster }) => (cluster.kind === "kind" ? [containersOf(kindName(cohort, id), { learner: id, step: "look for the kind cluster" }).then((found) => found.length === 0, () => false)] : [])),
  );
  return gone.includes(true);
}

async function requireHome(): Promise<void> {
  const home = labHome();
  try {
    await makePrivateFolder(home);
  } catch (error) {
    throw new LabError("home-unwritable", `The lab's folder ${home} cannot be written: ${messageOf(error)}. Nothing was created. Set GITOPS_LAB_HOME to a folder of yours.`, {
      exitCode: ExitCode.badInput,
      cause: error,
    });
  }
}

/** Throws LabError `no-room` (exit code 2) where fewer learners fit than the file has; with `force` only says so. */
async function requireRoom(plan: CohortPlan, force: boolean): Promise<void> {
  const embedded = learnersHere(plan);
  if (embedded.length === 0) return;
  const capacity = capacityFor(embedded.length, await machineFacts({ ...plan, learners: embedded }), costsOf(plan));
  if (capacity.seats >= capacity.wanted) return;
  const { binding } = capacity;
  const sentence = `${capacity.wanted} learners do not fit on this machine: ${binding.name} is enough for ${capacity.seats} (${binding.has} left, ${binding.perLearner} a learner)`;
  if (force) return note(`${sentence}. Going on, as --force asks.`);
  throw new LabError(
    "no-room",
    `${sentence}. Nothing was created. ${remedies[binding.name]}, take learners out of the cohort file, or run \`./lab up ${plan.cohort} --force\` to try all the same; \`./lab plan ${plan.cohort}\` shows every limit.`,
    { exitCode: ExitCode.badInput },
  );
}

/** What went wrong, from the engine's own diagnostics where it gave any. */
export function causes(progress: Progress, error: unknown): string {
  const told = progress.errors.length > 0 ? progress.errors.join("\n") : messageOf(error);
  return [told, cloudRemedy(told)].filter(Boolean).join(" ");
}
