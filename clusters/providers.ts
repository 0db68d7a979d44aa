import { z } from "zod";
import { doks } from "./doks/provider.ts";
import { eks } from "./eks/provider.ts";
import { embedded } from "./embedded/provider.ts";
import { external } from "./external/provider.ts";
import { gke } from "./gke/provider.ts";
import { kind } from "./kind/provider.ts";
import type { ClusterProvider } from "./provider.ts";
import { shared } from "./vcluster/provider.ts";

/** One word a provider. Messages, `./lab plan` and `./lab doctor` tell of them in this order. */
const listed = [embedded, kind, gke, eks, doks, shared, external] as const;

export const clusterProviders: readonly ClusterProvider[] = listed;

type Listed = (typeof listed)[number];
type SpecsOf<Providers extends readonly { readonly spec: z.ZodType }[]> = { -readonly [I in keyof Providers]: Providers[I]["spec"] };

/** Where a learner's cluster runs. */
export const ClusterSpec = z.discriminatedUnion("kind", listed.map(({ spec }) => spec) as unknown as SpecsOf<typeof listed>);
export type ClusterSpec = z.output<typeof ClusterSpec>;
export type ClusterKind = ClusterSpec["kind"];
export const clusterKinds: readonly ClusterKind[] = listed.map(({ kind }) => kind);

/** The plan of a cluster: like its spec, with every choice taken. */
export type ClusterPlan = ReturnType<Listed["plan"]>;

/** The provider of a kind of cluster. */
export function clusterProvider(kind: string): ClusterProvider {
  const provider = knownProvider(kind);
  if (provider === undefined) throw new Error(`no cluster provider "${kind}"; known: ${clusterKinds.join(", ")}`);
  return provider;
}

/** The same for a word that a state or outputs have, which another version may have written. */
export function knownProvider(kind: string): ClusterProvider | undefined {
  return clusterProviders.find((one) => one.kind === kind);
}

/** A sentence that helps with a failure of a cluster that the engine told; undefined where none is known. */
export function clusterRemedy(message: string): string | undefined {
  for (const { shown } of clusterProviders) {
    const remedy = shown.remedy?.(message);
    if (remedy !== undefined) return remedy;
  }
  return undefined;
}
