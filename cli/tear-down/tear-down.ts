import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { forgetInventory, readInventory } from "../../ledger/inventory.ts";
import { linesOf, type Receipt } from "../../ledger/receipt.ts";
import { makeRoom } from "../../host/make-room.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { measuredCosts } from "../capacity/costs.ts";
import { keepingCohortFile } from "../cohort-file.ts";
import { removeHomeWithoutCohorts } from "../home.ts";
import { interruptible, interruptionTeller } from "../interrupt.ts";
import { chooseDisplay } from "../progress/displays.ts";
import { RunReporter } from "../progress/reporter.ts";
import { fluxObjects } from "../progress/steps.ts";
import { exitCodeOf } from "../receipts.ts";
import { whileRunning } from "../../ledger/running.ts";
import { note } from "../terminal.ts";
import { findReadableStack, listThings, prepareLooks } from "./find.ts";
import { forgetGone, lookBack, makeOut } from "./look-back.ts";
import type { Removal, RemovalOptions, Step } from "./removal.ts";
import { takeAway } from "./take-away.ts";

/** What a removal does, in order, once it knows the stack. */
export const steps: readonly Step[] = [listThings, prepareLooks, takeAway, lookBack, forgetGone, makeOut];

/**
 * Removes a cohort as far as it can be, and returns what was found afterwards. Ends in order on a signal; then there is no
 * receipt, and the next `down` looks for all of it.
 */
export async function removeCohort(cohort: string, options: RemovalOptions = { json: false }): Promise<Receipt> {
  await makeRoom(cohort);
  const paths = cohortPaths(cohort);
  return keepingCohortFile(cohort, async () => {
    const learners = await readdir(join(paths.root, "learners")).catch(() => []);
    const reporter = reporterFor(cohort, learners, options.json);
    try {
      const receipt = await interruptible({ paths, resume: `./lab down ${cohort}`, onSignal: interruptionTeller(reporter) }, (interrupt) =>
        removeAndLook(newRemoval({ cohort, paths, learners, parallel: options.parallel, reporter, interrupt })),
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

/** A removal before its first step. */
export function newRemoval(about: Pick<Removal, "cohort" | "paths" | "learners" | "parallel" | "reporter" | "interrupt">): Removal {
  return { ...about, startedAt: new Date(), problems: [], items: [], isUnread: false, isForgotten: false, seen: [] };
}

async function removeAndLook(removal: Removal): Promise<Receipt> {
  const { cohort, paths } = removal;
  await findReadableStack(removal);
  const isSomething = removal.stack !== undefined || existsSync(paths.root) || (await readInventory(cohort)).length > 0;
  const work = async () => {
    for (const step of steps) await step(removal);
  };
  await (isSomething ? whileRunning(cohort, "down", work) : work());
  // The note that this ran is the last that may be in it.
  if ((await readInventory(cohort)).length === 0) await forgetInventory(cohort);
  for (const path of await removeHomeWithoutCohorts()) note(`${path} is not the lab's and stays.`);
  return removal.receipt!;
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
