import type { ProviderCondition } from "../clusters/condition.ts";
import { clusterKinds, type ClusterKind } from "../clusters/providers.ts";
import { conditionsOf } from "../clusters/upkeep.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortPlan } from "../stacks/plan.ts";
import { note } from "./terminal.ts";

/** Every provider of clusters with what it needs, for `./lab doctor`. */
export async function inspectProviders(): Promise<
  readonly { readonly kind: ClusterKind; readonly conditions: readonly ProviderCondition[] }[]
> {
  return Promise.all(clusterKinds.map(async (kind) => ({ kind, conditions: await conditionsOf(kind) })));
}

/**
 * Looks whether the cohort's providers have what they need, before anything is created. If only some learners' providers
 * have it, says so and goes on. Throws LabError `provider-unready` (exit code 2) if none has it.
 */
export async function requireProviders({ cohort, learners }: CohortPlan): Promise<void> {
  const kinds = [...new Set(learners.map(({ cluster }) => cluster.kind))];
  const unmet = new Map<ClusterKind, string>();
  for (const kind of kinds) {
    const plans = learners.flatMap(({ cluster }) => (cluster.kind === kind ? [cluster] : []));
    const faults = (await conditionsOf(kind, plans)).filter(({ met, advice }) => !met && !advice);
    if (faults.length > 0) unmet.set(kind, faults.map(({ name, found }) => `${name}: ${found}`).join("; "));
  }
  if (unmet.size === 0) return;
  const sentences = [...unmet].map(
    ([kind, faults]) =>
      `clusters of kind ${kind} (${learners
        .filter(({ cluster }) => cluster.kind === kind)
        .map(({ learner }) => learner.id)
        .join(", ")}) need ${faults}`,
  );
  if (unmet.size < kinds.length) return note(`These learners will not come up, and the others will: ${sentences.join("; ")}.`);
  throw new LabError(
    "provider-unready",
    `Cohort ${cohort} can't be brought up from here: ${sentences.join("; ")}. Nothing was created. Repair that and run \`./lab up ${cohort}\` again; \`./lab doctor\` shows every provider.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}
