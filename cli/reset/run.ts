import type { Stack } from "@pulumi/pulumi/automation/index.js";
import type { CohortPaths } from "../../shared/paths.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

/** What a reset is about, before it begins. */
export interface Task {
  readonly plan: CohortPlan;
  readonly paths: CohortPaths;
  /** The learner's id, as it was asked for. */
  readonly id: string;
  /** New folder for the backup. */
  readonly out?: string | undefined;
}

/** One reset as it goes. What is not read-only is written by the one step that is named with it, and read by later ones. */
export interface Run extends Task {
  /** `findExisting`. */
  stack?: Stack;
  /** The folder of the backup: `keepWork`. */
  backup?: string;
  /** When the lab was made first; undefined where nobody noted it: `noteAge`. */
  made?: Date | undefined;
  /** When the removal began: `takeAway`. */
  startedAt?: Date;
  /** URNs of everything of the learner that the state knows: `readResources`. */
  resources?: readonly string[];
  /** Of the bring-up that makes the lab anew: `makeAnew`. */
  exitCode?: number;
}

/** One job of a reset. Throws where the reset can't go on. */
export type Step = (run: Run) => Promise<void>;

/** What an earlier step has written. That it has not is a defect in the order of the steps. */
export function written<K extends "stack" | "backup" | "startedAt" | "resources" | "exitCode">(run: Run, field: K): NonNullable<Run[K]> {
  const value = run[field];
  if (value === undefined) throw new Error(`no step of the reset has written \`${field}\` yet`);
  return value as NonNullable<Run[K]>;
}
