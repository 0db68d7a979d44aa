import type { Stack } from "@pulumi/pulumi/automation/index.js";
import type { Item, Kind } from "../../ledger/inventory.ts";
import type { Seen } from "../../ledger/looks.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import type { Look } from "../../ledger/sight.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import type { Interrupt } from "../interrupt.ts";
import type { RunReporter } from "../progress/reporter.ts";

export interface RemovalOptions {
  /** Events for programs on standard output; the last is the receipt. */
  readonly json: boolean;
  /** How many resources the engine works on at once. */
  readonly parallel?: number | undefined;
}

/** One removal of a cohort as it goes. What is not read-only is written by the one step that is named with it. */
export interface Removal {
  readonly cohort: string;
  readonly paths: CohortPaths;
  /** Who has something on this machine. */
  readonly learners: readonly string[];
  readonly parallel: number | undefined;
  readonly reporter: RunReporter;
  readonly interrupt: Interrupt;
  readonly startedAt: Date;
  /** Why the cohort is not gone, for the receipt; any step may add to them. */
  readonly problems: string[];
  /** Undefined where there is none, or none that can be read: `findReadableStack`. */
  stack?: Stack | undefined;
  /** What there is to be looked for afterwards: `listThings`. */
  items: readonly Item[];
  /** `prepareLooks`, since the credential for it goes with the stack. */
  gitHostLooks?: Partial<Record<Kind, Look>>;
  /** Whether the state turned out to be one that can't be opened: `destroy`. */
  isUnread: boolean;
  /** Whether the removal came to its end, so that there is no stack to ask any more: `removeFromHost`. */
  isForgotten: boolean;
  /** What became of each item: `lookBack`. */
  seen: readonly Seen[];
  /** `makeOut`. */
  receipt?: Receipt;
}

/** One job of a removal. */
export type Step = (removal: Removal) => Promise<void>;
