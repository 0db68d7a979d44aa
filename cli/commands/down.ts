import { parseCohortName } from "../../stacks/load-spec.ts";
import { cohortNames, hasCohortFile } from "../cohort-file.ts";
import { exitCodeOf, receiptFile, tellReceipt, writeReceipt } from "../receipts.ts";
import type { RemovalOptions } from "../tear-down/removal.ts";
import { removeCohort } from "../tear-down/tear-down.ts";
import { note } from "../terminal.ts";

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
