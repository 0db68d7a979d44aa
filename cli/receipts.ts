import { existsSync } from "node:fs";
import { access, constants, mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { clusterLooks, clusterThings } from "../clusters/upkeep.ts";
import { readInventory, recordGone, type Kind } from "../ledger/inventory.ts";
import { lookForAll, type Seen } from "../ledger/looks.ts";
import { countsOf, linesOf, makeReceipt, type Receipt } from "../ledger/receipt.ts";
import { ExitCode, LabError, messageOf } from "../shared/errors.ts";
import { labHome, type CohortPaths } from "../shared/paths.ts";
import { writePrivateFile } from "../shared/private-files.ts";
import { gitHostLooks } from "./git-host.ts";
import { duration, note, print } from "./terminal.ts";

/**
 * Where a receipt is to go, looked at before anything is removed. Throws LabError (exit code 2) for a file that exists,
 * that can't be written, or that would go with the lab's folder.
 */
export async function receiptFile(path: string): Promise<string> {
  const file = resolve(path);
  const refused = (code: string, because: string, cause?: unknown) =>
    new LabError(code, `${path} ${because}. Nothing was removed. Name another file with \`--receipt\`.`, {
      exitCode: ExitCode.badInput,
      cause,
    });
  if (existsSync(file)) throw refused("receipt-exists", "exists and a receipt is never overwritten");
  if (`${file}/`.startsWith(`${labHome()}/`))
    throw refused("receipt-in-lab", `is in the lab's folder ${labHome()}, which is removed with its last cohort`);
  try {
    await mkdir(dirname(file), { recursive: true });
    await access(dirname(file), constants.W_OK);
  } catch (error) {
    throw refused("receipt-unwritable", `can't be written (${messageOf(error)})`, error);
  }
  return file;
}

export async function writeReceipt(file: string, receipt: Receipt): Promise<void> {
  await writePrivateFile(file, `${JSON.stringify(receipt, null, 2)}\n`);
}

/** Tells what a teardown came to; `say` takes what is a result. */
export function tellReceipt(receipt: Receipt, say: (text: string) => void = print): void {
  const { cohort, learner, result, startedAt, finishedAt } = receipt;
  const took = duration(Date.parse(finishedAt) - Date.parse(startedAt));
  const what = learner === undefined ? `Cohort ${cohort}` : `The lab of ${learner}`;
  const counts = countsOf(receipt);
  for (const line of linesOf(receipt)) say(line);
  if (result === "zero") say(`${what} is gone: ${counts === "" ? "nothing was there" : `nothing is left of ${counts}`} (${took}).`);
  else if (result === "unknown") say(`${what} is gone as far as it could be looked at (${took}).`);
}

export function exitCodeOf({ result }: Pick<Receipt, "result">): ExitCode {
  return { zero: ExitCode.ok, remainder: ExitCode.failed, unknown: ExitCode.unknown }[result];
}

/** Where somebody else has one of these, the lab's own is gone for good: nobody can have moved it away. */
const isPassing = (kind: Kind) => kind === "port" || clusterThings[kind]?.passing === true;

/** Whether the inventory must be kept: something is still there that a later teardown has to know of. */
export function mustRemember(seen: readonly Seen[]): boolean {
  return seen.some(({ kind, sight: { state } }) => state === "left" || state === "unknown" || (state === "foreign" && !isPassing(kind)));
}

/** Looks whether a learner who was removed has left anything; tells only that. Returns the exit code. */
export async function settleLearner(stack: Stack, paths: CohortPaths, learner: string, startedAt: Date): Promise<ExitCode> {
  const cohort = stack.name;
  const items = (await readInventory(cohort)).filter((item) => item.learner === learner);
  const seen = await lookForAll(paths, items, {
    learner,
    looks: { ...clusterLooks, ...(await gitHostLooks(stack, items)) },
  });
  await recordGone(
    cohort,
    seen.filter(({ sight }) => sight.state === "gone" || sight.state === "kept"),
  );
  const receipt = makeReceipt({ cohort, learner, startedAt, problems: [] }, seen);
  tellReceipt(receipt, note);
  return exitCodeOf(receipt);
}
