import { isAnyGone } from "../../clusters/upkeep.ts";
import { tokenEnd } from "../../shared/kubeconfig.ts";
import { isOnLabHost } from "../../shared/on-lab-host.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import type { StateSummary } from "../stack.ts";

/** What a look at a state is about. */
export interface Before {
  /** Whether the last operation on the stack came to a good end. */
  readonly succeeded: boolean;
  readonly state: Pick<StateSummary, "isPending">;
  /** The learners that the last run handed over. */
  readonly learners: readonly LearnerOutputs[];
}

/** Whether Pulumi's state may tell of things that are no longer there, which only a refresh makes it see. */
export async function needsRefresh(cohort: string, { succeeded, state, learners }: Before): Promise<boolean> {
  if (!succeeded || state.isPending) return true;
  // A learner's token that has ended is found by looking.
  if (learners.some(({ cluster }) => !isOnLabHost(cluster) && (tokenEnd(cluster.kubeconfig) ?? new Date(8.64e15)) < new Date()))
    return true;
  return isAnyGone(cohort, learners);
}
