import { clusterLooks } from "../../clusters/upkeep.ts";
import { recordGone, type Thing } from "../../ledger/inventory.ts";
import { lookForAll } from "../../ledger/looks.ts";
import { makeReceipt } from "../../ledger/receipt.ts";
import { takeRemainders } from "../../ledger/remainders.ts";
import { cloudLook, cloudThings } from "../cloud-things.ts";
import { phases } from "../progress/steps.ts";
import { mustRemember } from "../receipts.ts";
import type { Removal } from "./removal.ts";

/** Looks for each thing again. */
export async function lookBack(removal: Removal): Promise<void> {
  const { cohort, paths, stack, items, isForgotten, gitHostLooks, reporter } = removal;
  const { lookForStack } = await import("../stack.ts");
  const inCloud = stack === undefined || isForgotten ? [] : await cloudThings(stack);
  const looks = {
    ...clusterLooks,
    stack: ({ name }: Thing) => lookForStack(cohort, name),
    ...gitHostLooks,
    "cloud-resource": cloudLook(inCloud, cohort),
  };
  removal.seen = await reporter.phase(phases.cleanUp, () => lookForAll(paths, items, { looks }));
}

/** Lets the inventory forget what is gone; all of it where nothing is there that a later removal has to know of. */
export async function forgetGone({ cohort, items, seen }: Removal): Promise<void> {
  const gone = seen.filter(({ kind, sight }) => sight.state === "gone" && kind !== "run");
  await recordGone(cohort, mustRemember(seen) ? gone : items);
}

/** Makes out the receipt, with what is left or kept elsewhere. */
export async function makeOut(removal: Removal): Promise<void> {
  const { cohort, startedAt, problems, seen } = removal;
  const elsewhere = await takeRemainders(cohort);
  const told = (kind: "left" | "kept") => elsewhere.flatMap((one) => (one.kind === kind ? [one.sentence] : []));
  removal.receipt = makeReceipt({ cohort, startedAt, problems: [...problems, ...told("left")], kept: told("kept") }, seen);
}
