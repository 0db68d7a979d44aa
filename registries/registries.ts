import { z } from "zod";
import { embedded } from "./embedded/provider.ts";
import { ghcr, oci } from "./oci/provider.ts";
import type { RegistryProvider } from "./registry.ts";

/** One word a registry. */
const listed = [embedded, oci, ghcr] as const;

export const registries: readonly RegistryProvider[] = listed;

type SpecsOf<Providers extends readonly { readonly spec: z.ZodType }[]> = { -readonly [I in keyof Providers]: Providers[I]["spec"] };

/** Where the learners' images are. */
export const RegistrySpec = z.discriminatedUnion("kind", listed.map(({ spec }) => spec) as unknown as SpecsOf<typeof listed>);
export type RegistrySettings = z.output<typeof RegistrySpec>;

/** The registry of a kind. */
export function imageRegistry(kind: string): RegistryProvider {
  const registry = registries.find((one) => one.kind === kind);
  if (registry === undefined) throw new Error(`no registry "${kind}"; known: ${registries.map((one) => one.kind).join(", ")}`);
  return registry;
}
