import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { endServer } from "../../dashboard/access.ts";
import { removeProcesses } from "../../host/processes/client.ts";
import { removeKindClusters } from "../../host/drivers/kind-cluster.ts";
import { removeCohortFromHost } from "../../host/sweep.ts";
import { forgetInventory, readInventory, recordGone, type Thing } from "../../ledger/inventory.ts";
import { lookForAll } from "../../ledger/looks.ts";
import { linesOf, makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { makeRoom } from "../../host/make-room.ts";
import { roomThings } from "../../host/room/groups.ts";
import { endOrphansOfEngine } from "../../ledger/process-identity.ts";
import { takeRemainders } from "../../ledger/remainders.ts";
import { LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { locate } from "../../tools/locate.ts";
import { measuredCosts } from "../capacity/costs.ts";
import { cloudLook, cloudThings, noteUncertain } from "../cloud-things.ts";
import { cohortNames, hasCohortFile, keepingCohortFile } from "../cohort-file.ts";
import { repositoryLook } from "../github.ts";
import { removeHomeWithoutCohorts } from "../home.ts";
import { clusterLooks } from "../looks.ts";
import { deleteUnreachable } from "../lost-clusters.ts";
import { interruptible, interruptionTeller, type Interrupt } from "../interrupt.ts";
import { chooseDisplay } from "../progress/displays.ts";
import { RunReporter } from "../progress/reporter.ts";
import { fluxObjects, phases } from "../progress/steps.ts";
import { exitCodeOf, mustRemember, receiptFile, tellReceipt, whileRunning, writeReceipt } from "../receipts.ts";
import { stateErrors, stateFailure } from "../state/failures.ts";
import { note } from "../terminal.ts";

/* Pulumi's library takes seconds to load on a busy machine: a run has begun to tell of itself by then. */
const loadStack = () => import("../stack.ts");

export interface RemovalOptions {
  /** Events for programs on standard output; the last is the receipt. */
  readonly json: boolean;
  /** How many resources the engine works on at once. */
  readonly parallel?: number | undefined;
}

export interface DownOptions extends RemovalOptions {
  /** New file for the receipt. */
  readonly receipt?: string | undefined;
}

/** Removes everything of a cohort, looks for each thing again and tells what it came to. Needs no cohort file. Returns the exit code. */
export async function down(name: string, options: DownOptions): Promise<number> {
  const cohort = parseCohortName(name);
  const file = options.receipt === undefined ? undefined : await receiptFile(options.receipt);
  const receipt = await removeCohort(cohort, options);
  if (file !== undefined) await writeReceipt(file, receipt);
  if (!options.json) tellReceipt(receipt);
  if (receipt.items.length === 0 && !hasCohortFile(cohort))
    note(`stacks/Pulumi.${cohort}.yaml does not exist either. Known cohorts: ${(await cohortNames()).join(", ")}.`);
  return exitCodeOf(receipt);
}

/**
 * Removes a cohort as far as it can be, and returns what was found afterwards. Ends in order on a signal; then there is no
 * receipt, and the next `down` looks for all of it.
 */
export async function removeCohort(cohort: string, options: RemovalOptions = { json: false }): Promise<Receipt> {
  await makeRoom(cohort);
  return keepingCohortFile(cohort, async () => {
    const learners = await readdir(join(cohortPaths(cohort).root, "learners")).catch(() => []);
    const reporter = reporterFor(cohort, learners, options.json);
    try {
      const receipt = await interruptible({ cohort, resume: `./lab down ${cohort}`, onSignal: interruptionTeller(reporter) }, (interrupt) =>
        removeAndLook({ cohort, learners, parallel: options.parallel, reporter, interrupt }),
      );
      conclude(receipt, learners, reporter);
      return receipt;
    } catch (error) {
      reporter.failed(error);
      throw error;
    } finally {
      reporter.close();
    }
  });
}

function reporterFor(cohort: string, learners: readonly string[], json: boolean): RunReporter {
  const { steps, gone } = measuredCosts;
  return new RunReporter({
    command: "down",
    cohort,
    learners,
    // What is one's share of making is not one's share of removing.
    typical: Object.fromEntries(
      Object.keys(steps)
        .filter((step) => step !== fluxObjects.step)
        .map((step) => [step, 1]),
    ),
    expectedSeconds: gone.host + gone.learner * learners.length,
    display: chooseDisplay(json, learners),
  });
}

function conclude(receipt: Receipt, learners: readonly string[], reporter: RunReporter): void {
  const exitCode = exitCodeOf(receipt);
  const isZero = receipt.result === "zero";
  if (isZero) for (const learner of learners) reporter.learnerDone(learner);
  reporter.summary({ result: isZero ? "succeeded" : "failed", exitCode, ...(!isZero && { cause: linesOf(receipt).join("\n") }) });
  reporter.tell({ event: "receipt", receipt });
}

interface Removal {
  readonly cohort: string;
  readonly learners: readonly string[];
  readonly parallel: number | undefined;
  readonly reporter: RunReporter;
  readonly interrupt: Interrupt;
}

async function removeAndLook(removal: Removal): Promise<Receipt> {
  const { cohort, reporter, interrupt } = removal;
  const startedAt = new Date();
  const problems: string[] = [];
  // Without Pulumi's CLI there can be no stack, but an interrupted first run may have left something on the host.
  const stack =
    (await locate("pulumi")) === undefined
      ? undefined
      : await interrupt.orEnd(reporter.phase(phases.stack, () => readableStack(cohort, problems)));
  const isSomething = stack !== undefined || existsSync(cohortPaths(cohort).root) || (await readInventory(cohort)).length > 0;
  const work = () => remove(removal, stack, startedAt, problems);
  const receipt = await (isSomething ? whileRunning(cohort, "down", work) : work());
  // The note that this ran is the last that may be in it.
  if ((await readInventory(cohort)).length === 0) await forgetInventory(cohort);
  for (const path of await removeHomeWithoutCohorts()) note(`${path} is not the lab's and stays.`);
  return receipt;
}

/** The cohort's stack; undefined also where its state can't be got at, which is then a problem: a teardown needs none. */
async function readableStack(cohort: string, problems: string[]): Promise<Stack | undefined> {
  const { findStack, readResources } = await loadStack();
  try {
    const stack = await findStack(cohort, "take away");
    if (stack !== undefined) await readResources(stack);
    return stack;
  } catch (error) {
    if (!isAboutState(error)) throw error;
    if (error.code === "state-broken") note(`The state of cohort ${cohort} can't be read: what there is of it is removed without.`);
    else problems.push(error.message);
    return undefined;
  }
}

const isAboutState = (error: unknown): error is LabError => error instanceof LabError && stateErrors.has(error.code);

async function remove(removal: Removal, stack: Stack | undefined, startedAt: Date, problems: string[]): Promise<Receipt> {
  const { cohort, reporter, interrupt } = removal;
  let [isForgotten, isUnread] = [false, false];
  const { forgetStack, lookForStack } = await loadStack();
  // What only a look at running nodes tells must be looked at before they end.
  const items = [...(await readInventory(cohort)), ...(await unnoted(cohort, stack))];
  const lookOnGithub = await repositoryLook(stack, items);
  if (stack !== undefined) await noteUncertain(stack);
  try {
    await endServer(cohort);
    if (stack !== undefined)
      await destroy(removal, stack).catch(async (error: unknown) => {
        // What a cloud has can be found by the state alone: then that stays.
        if (!isAboutState(error) || (await cloudThings(stack)).length > 0) throw error;
        isUnread = true;
        note(`The state of cohort ${cohort} can't be opened: what there is of it is removed without.`);
      });
    await reporter.phase(phases.remove, async () => {
      await removeCohortFromHost(cohort, removeKindClusters);
      endOrphansOfEngine(cohortPaths(cohort).daemon);
      if (problems.length === 0) await forgetStack(cohort, stack, isUnread);
      isForgotten = true;
    });
  } catch (error) {
    interrupt.check();
    if (!(error instanceof LabError)) throw error;
    problems.push(error.message);
  }
  const inCloud = stack === undefined || isForgotten ? [] : await cloudThings(stack);
  const looks = {
    ...clusterLooks,
    stack: ({ name }: Thing) => lookForStack(cohort, name),
    "github-repository": lookOnGithub,
    "cloud-resource": cloudLook(inCloud, cohort),
  };
  const seen = await reporter.phase(phases.cleanUp, () => lookForAll(cohort, items, { looks }));
  if (mustRemember(seen))
    await recordGone(
      cohort,
      seen.filter(({ kind, sight }) => sight.state === "gone" && kind !== "run"),
    );
  else await recordGone(cohort, items);
  const elsewhere = await takeRemainders(cohort);
  const told = (kind: "left" | "kept") => elsewhere.flatMap((one) => (one.kind === kind ? [one.sentence] : []));
  return makeReceipt({ cohort, startedAt, problems: [...problems, ...told("left")], kept: told("kept") }, seen);
}

/** What is there without the inventory's knowing: a stack that plain `pulumi up` made, what that has in a cloud, and what runs within real nodes. */
async function unnoted(cohort: string, stack: Stack | undefined) {
  const known = new Set((await readInventory(cohort)).map(({ kind, id }) => `${kind} ${id}`));
  const things = [
    ...(stack === undefined ? [] : [await (await loadStack()).stackThing(cohort), ...(await cloudThings(stack))]),
    ...(await roomThings(cohort)),
  ];
  const at = new Date().toISOString();
  return things.filter(({ kind, id }) => !known.has(`${kind} ${id}`)).map((thing) => ({ ...thing, at }));
}

async function destroy({ cohort, learners, parallel, reporter, interrupt }: Removal, stack: Stack): Promise<void> {
  note(`Removing cohort ${cohort}.`);
  // Nothing in a cluster is kept, so it need not run while its end is written down.
  await Promise.all(learners.map((learner) => removeProcesses(cohort, learner, "SIGKILL")));
  // Pulumi would write the whole state after each of some forty steps a learner; what a killed destroy leaves in it is
  // found gone by the next.
  stack.workspace.envVars["PULUMI_SKIP_CHECKPOINTS"] = "true";
  // Whoever is removed goes with their cluster: that it does not answer any more is no reason to keep them in the state.
  stack.workspace.envVars[deleteUnreachable] = "true";
  interrupt.check();
  try {
    await reporter.engine((onEvent) =>
      stack.destroy({ onEvent, color: "never", signal: interrupt.signal, ...(parallel !== undefined && { parallel }) }),
    );
  } catch (error) {
    interrupt.check();
    throw (
      (await stateFailure(cohort, error)) ??
      new LabError(
        "down-failed",
        `Cohort ${cohort} was not removed completely. ${reporter.causes(error)} Run \`./lab down ${cohort}\` again.`,
        { cause: error },
      )
    );
  } finally {
    await (await loadStack()).cleanUpAfterEngine(stack);
  }
}
