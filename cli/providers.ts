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
 * What the clusters of a cohort need and is not there: a sentence for each kind, such as `clusters of kind kind (ada) need ...`.
 *
 * @param bySetup whether what set-up brings counts as well
 */
export async function unmetNeeds(
  { learners }: Pick<CohortPlan, "learners">,
  { bySetup }: { readonly bySetup: boolean },
): Promise<ReadonlyMap<ClusterKind, string>> {
  const unmet = new Map<ClusterKind, string>();
  for (const [kind, own] of Map.groupBy(learners, ({ cluster }) => cluster.kind)) {
    const conditions = await conditionsOf(
      kind,
      own.map(({ cluster }) => cluster),
    );
    const faults = conditions.filter(({ met, advice, bySetup: brought }) => !met && !advice && (bySetup || !brought));
    const who = own.map(({ learner }) => learner.id).join(", ");
    if (faults.length > 0)
      unmet.set(kind, `clusters of kind ${kind} (${who}) need ${faults.map(({ name, found }) => `${name}: ${found}`).join("; ")}`);
  }
  return unmet;
}

/**
 * Looks whether the cohort's providers have what they need, before anything is created. If only some learners' providers
 * have it, says so and goes on. Throws LabError `provider-unready` (exit code 2) if none has it.
 */
export async function requireProviders({ cohort, learners }: CohortPlan): Promise<void> {
  const unmet = await unmetNeeds({ learners }, { bySetup: true });
  if (unmet.size === 0) return;
  const sentences = [...unmet.values()];
  const kinds = new Set(learners.map(({ cluster }) => cluster.kind));
  if (unmet.size < kinds.size) return note(`These learners will not come up, and the others will: ${sentences.join("; ")}.`);
  throw new LabError(
    "provider-unready",
    `Cohort ${cohort} can't be brought up from here: ${sentences.join("; ")}. Nothing was created. Repair that and run \`./lab up ${cohort}\` again; \`./lab doctor\` shows every provider.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}
