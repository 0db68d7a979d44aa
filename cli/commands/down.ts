import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { endServer } from "../../dashboard/access.ts";
import { removeProcesses } from "../../host/daemon/client.ts";
import { removeCohortFromHost } from "../../host/drivers/lab-host.ts";
import { forgetInventory, readInventory, recordGone } from "../../host/inventory/inventory.ts";
import { lookForAll } from "../../host/inventory/looks.ts";
import { makeReceipt, type Receipt } from "../../host/inventory/receipt.ts";
import { nodeThings } from "../../host/node/node-process.ts";
import { endOrphansOfEngine } from "../../host/process-identity.ts";
import { LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { locate } from "../../tools/locate.ts";
import { keepingCohortFile } from "../cohort-file.ts";
import { Progress } from "../progress.ts";
import { exitCodeOf, mustRemember, receiptFile, tellReceipt, whileRunning, writeReceipt } from "../receipts.ts";
import { findStack, forgetStack, lookForStack, removeHomeWithoutCohorts, stackThing } from "../stack.ts";
import { note, printJson } from "../terminal.ts";
import { causes } from "./up.ts";

export interface DownOptions {
  /** New file for the receipt. */
  readonly receipt?: string | undefined;
  readonly json: boolean;
}

/** Removes everything of a cohort, looks for each thing again and tells what it came to. Needs no cohort file. Returns the exit code. */
export async function down(name: string, options: DownOptions): Promise<number> {
  const cohort = parseCohortName(name);
  const file = options.receipt === undefined ? undefined : await receiptFile(options.receipt);
  const receipt = await removeCohort(cohort);
  if (file !== undefined) await writeReceipt(file, receipt);
  if (options.json) printJson(receipt);
  else tellReceipt(receipt);
  return exitCodeOf(receipt);
}

/** Removes a cohort as far as it can be, and returns what was found afterwards. */
export async function removeCohort(cohort: string): Promise<Receipt> {
  return keepingCohortFile(cohort, async () => {
    const startedAt = new Date();
    // Without Pulumi's CLI there can be no stack, but an interrupted first run may have left something on the host.
    const stack = (await locate("pulumi")) === undefined ? undefined : await findStack(cohort);
    const isSomething = stack !== undefined || existsSync(cohortPaths(cohort).root) || (await readInventory(cohort)).length > 0;
    const work = () => remove(cohort, stack, startedAt);
    const receipt = await (isSomething ? whileRunning(cohort, "down", work) : work());
    // The note that this ran is the last that may be in it.
    if ((await readInventory(cohort)).length === 0) await forgetInventory(cohort);
    for (const path of await removeHomeWithoutCohorts()) note(`${path} is not the lab's and stays.`);
    return receipt;
  });
}

async function remove(cohort: string, stack: Stack | undefined, startedAt: Date): Promise<Receipt> {
  const { daemon } = cohortPaths(cohort);
  const problems: string[] = [];
  // What only a look at running nodes tells must be looked at before they end.
  const items = [...(await readInventory(cohort)), ...(await unnoted(cohort, stack))];
  try {
    await endServer(cohort);
    if (stack !== undefined) await destroy(cohort, stack);
    await removeCohortFromHost(cohort);
    endOrphansOfEngine(daemon);
    if (stack !== undefined) await forgetStack(stack);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    problems.push(error.message);
  }
  const seen = await lookForAll(cohort, items, { looks: { stack: () => lookForStack(cohort) } });
  if (mustRemember(seen)) await recordGone(cohort, seen.filter(({ kind, sight }) => sight.state === "gone" && kind !== "run"));
  else await recordGone(cohort, items);
  return makeReceipt({ cohort, startedAt, problems }, seen);
}

/** What is there without the inventory's knowing: a stack that plain `pulumi up` made, and what runs within real nodes. */
async function unnoted(cohort: string, stack: Stack | undefined) {
  const known = new Set((await readInventory(cohort)).map(({ kind, id }) => `${kind} ${id}`));
  const things = [...(stack === undefined ? [] : [await stackThing(cohort)]), ...(await nodeThings(cohort))];
  const at = new Date().toISOString();
  return things.filter(({ kind, id }) => !known.has(`${kind} ${id}`)).map((thing) => ({ ...thing, at }));
}

async function destroy(cohort: string, stack: Stack): Promise<void> {
  note(`Removing cohort ${cohort}.`);
  const learners = await readdir(join(cohortPaths(cohort).root, "learners")).catch(() => []);
  const progress = new Progress(learners);
  // Nothing in a cluster is kept, so it need not run while its end is written down.
  await Promise.all(learners.map((learner) => removeProcesses(cohort, learner, "SIGKILL")));
  // Pulumi would write the whole state after each of some forty steps a learner; what a killed destroy leaves in it is
  // found gone by the next.
  stack.workspace.envVars["PULUMI_SKIP_CHECKPOINTS"] = "true";
  try {
    await stack.destroy({ onEvent: progress.onEvent, color: "never" });
  } catch (error) {
    throw new LabError("down-failed", `Cohort ${cohort} was not removed completely. ${causes(progress, error)} Run \`./lab down ${cohort}\` again.`, { cause: error });
  }
}
