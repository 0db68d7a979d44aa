import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { halfRotated, isAnyGone } from "../../clusters/upkeep.ts";
import { tokenEnd } from "../../shared/kubeconfig.ts";
import { isOnLabHost } from "../../shared/on-lab-host.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import type { StateSummary } from "../stack.ts";

/** Learners whose rotation was cut short after their cluster had taken the new credentials. */
export async function rotating(stack: Stack): Promise<string[]> {
  return halfRotated(stack.name, await learnersIn(stack));
}

/** Whether Pulumi's state may tell of things that are no longer there, which only a refresh makes it see. */
export async function needsRefresh(stack: Stack, { isPending, learners }: StateSummary): Promise<boolean> {
  if (learners.size === 0 && !isPending) return false;
  const last = await stack.info();
  if (last?.result !== "succeeded" || isPending) return true;
  const all = await learnersIn(stack);
  // A learner's token that has ended is found by looking.
  if (all.some(({ cluster }) => !isOnLabHost(cluster) && (tokenEnd(cluster.kubeconfig) ?? new Date(8.64e15)) < new Date())) return true;
  return isAnyGone(stack.name, all);
}

/** The learners that the last run handed over. */
async function learnersIn(stack: Stack): Promise<LearnerOutputs[]> {
  return Object.values(((await stack.outputs())["learners"]?.value ?? {}) as CohortOutputs["learners"]);
}
