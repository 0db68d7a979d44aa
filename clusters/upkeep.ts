import type { Kinded } from "../components/ports/kinded.ts";
import type { Condition } from "../host/room/trials.ts";
import type { Kind } from "../ledger/inventory.ts";
import type { Look } from "../ledger/sight.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import type { ProviderCondition } from "./condition.ts";
import type { Chosen, ClusterProvider, Handed, ThingKind } from "./provider.ts";
import { clusterProvider, clusterProviders, knownProvider } from "./providers.ts";

/* What every provider is asked for, whichever a cohort has. */

/** How to look for what clusters are made of. */
export const clusterThings: Partial<Record<Kind, ThingKind>> = Object.assign({}, ...clusterProviders.map(({ things }) => things));

export const clusterLooks: Partial<Record<Kind, Look>> = Object.fromEntries(
  Object.entries(clusterThings).map(([kind, { look }]) => [kind, look]),
);

/** What these clusters of one kind need, and whether it is there; without any, what one would need. */
export async function conditionsOf(kind: string, plans: readonly Kinded[] = []): Promise<readonly ProviderCondition[]> {
  return (await clusterProvider(kind).upkeep()).conditions(plans);
}

/** What the clusters of a cohort find here. Throws LabError where one asks for what can't be. */
export async function chooseFor(cohort: string, specs: readonly Kinded[]): Promise<Chosen> {
  for (const provider of among(specs)) {
    const { choose } = await provider.upkeep();
    if (choose !== undefined)
      return choose(
        cohort,
        specs.filter(({ kind }) => kind === provider.kind),
      );
  }
  return { nodes: "simulated" };
}

/** What pods need of this machine to run for real, where that is a choice. */
export async function realPods(): Promise<readonly Condition[]> {
  const each = await Promise.all(clusterProviders.map(async (provider) => (await (await provider.upkeep()).realPods?.()) ?? []));
  return each.flat();
}

/** Starts what stands still of a cohort's clusters; only of these kinds where they are named. */
export async function startClusters(cohort: string, tell: (sentence: string) => void, some?: readonly Kinded[]): Promise<void> {
  const providers = some === undefined ? clusterProviders : among(some);
  for (const provider of providers) await (await provider.upkeep()).start?.(cohort, tell);
}

/** Removes what clusters of a cohort have on this machine beside its processes: those of these learners, or all. */
export async function sweepClusters(cohort: string, learners?: readonly string[]): Promise<void> {
  for (const provider of clusterProviders) await (await provider.upkeep()).sweep?.(cohort, learners);
}

/** Whether something that was made of these learners' clusters is there no more. */
export async function isAnyGone(cohort: string, learners: readonly Handed[]): Promise<boolean> {
  for (const [provider, own] of byProvider(learners)) if (await (await provider.upkeep()).isGone?.(cohort, own)) return true;
  return false;
}

/** Of whom a rotation was cut short after the cluster had taken the new credentials. */
export async function halfRotated(cohort: string, learners: readonly LearnerOutputs[]): Promise<string[]> {
  const each = await Promise.all(
    byProvider(learners).map(async ([provider, own]) => (await (await provider.upkeep()).halfRotated?.(cohort, own)) ?? []),
  );
  return each.flat();
}

function among(some: readonly Kinded[]): readonly ClusterProvider[] {
  const kinds = new Set(some.map(({ kind }) => kind));
  return clusterProviders.filter(({ kind }) => kinds.has(kind));
}

function byProvider<Learner extends Handed>(learners: readonly Learner[]): (readonly [ClusterProvider, Learner[]])[] {
  return [...Map.groupBy(learners, ({ cluster }) => knownProvider(cluster.kind))].flatMap(([provider, own]) =>
    provider === undefined ? [] : [[provider, own] as const],
  );
}
