import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { providerConditions, type ProviderCondition } from "../host/providers/conditions.ts";
import { clusterKinds, type ClusterKind } from "../shared/cluster-spec.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortPlan } from "../stacks/plan.ts";
import { projectFolder } from "./cohort-file.ts";
import { note } from "./terminal.ts";

/** Every provider of clusters with what it needs, for `./lab doctor`. */
export async function inspectProviders(): Promise<
  readonly { readonly kind: ClusterKind; readonly conditions: readonly ProviderCondition[] }[]
> {
  return Promise.all(clusterKinds.map(async (kind) => ({ kind, conditions: await providerConditions(kind) })));
}

/**
 * Looks whether the cohort's providers have what they need, before anything is created. If only some learners' providers
 * have it, says so and goes on. Throws LabError `provider-unready` (exit code 2) if none has it.
 */
export async function requireProviders({ cohort, learners }: CohortPlan): Promise<void> {
  const kinds = [...new Set(learners.map(({ cluster }) => cluster.kind))];
  const unmet = new Map<ClusterKind, string>();
  for (const kind of kinds) {
    const faults = [...(await providerConditions(kind)), ...filesOf(kind, learners)].filter(({ met, advice }) => !met && !advice);
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

/** The kubeconfig files that shared clusters name. */
function filesOf(kind: ClusterKind, learners: CohortPlan["learners"]): ProviderCondition[] {
  if (kind !== "shared") return [];
  const files = new Set(learners.flatMap(({ cluster }) => (cluster.kind === "shared" ? [cluster.kubeconfig] : [])));
  return [...files].map((file) => {
    const path = isAbsolute(file) ? file : join(projectFolder, "stacks", file);
    return { name: "kubeconfig", met: existsSync(path), found: existsSync(path) ? path : `${path} does not exist` };
  });
}
