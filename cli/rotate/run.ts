import type { Reconciled } from "../../host/flux/reconcile-now.ts";
import { rotated } from "../../ledger/rotations.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import type { CohortPlan } from "../../stacks/plan.ts";

export const rotatable = [...rotated, "page"] as const;
export type Rotatable = (typeof rotatable)[number];

/** What a rotation is about, before it begins. */
export interface Task {
  readonly plan: CohortPlan;
  readonly paths: CohortPaths;
  /** The learner's id, as it was asked for. */
  readonly id: string;
  /** Default: all. */
  readonly asked?: readonly Rotatable[] | undefined;
}

/** One rotation as it goes. What is not read-only is written by the one step that is named with it, and read by later ones. */
export interface Run extends Task {
  /** What the last bring-up handed over: `readHandedOver`. */
  outputs?: CohortOutputs;
  /** What is rotated: `choosePossible`. */
  only: readonly Rotatable[];
  /** What came of Flux's look with its new credentials: `awaitFlux`. */
  flux: readonly Reconciled[];
}

/** One job of a rotation. Throws where the rotation can't go on. */
export type Step = (run: Run) => Promise<void>;

/** A rotation of which no step was done yet. */
export function newRun(task: Task): Run {
  return { ...task, only: [], flux: [] };
}

/** What the last bring-up handed over. That no step has read it is a defect in the order of the steps. */
export function handedOver({ outputs }: Run): CohortOutputs {
  if (outputs === undefined) throw new Error("no step of the rotation has read the outputs yet");
  return outputs;
}

/** What of it goes through Pulumi. */
export const inState = ({ only }: Run) => rotated.filter((one) => only.includes(one));
