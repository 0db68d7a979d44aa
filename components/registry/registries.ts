import { embedded } from "./embedded.ts";
import { ghcr, oci, type OciSettings } from "./oci.ts";
import type { Registry } from "../ports/registry.ts";

/** What the cohort file says of the registry, by kind. */
export type RegistrySettings = { readonly kind: "embedded" } | OciSettings;

const registries: Readonly<Record<string, Registry>> = { embedded, oci, ghcr };

/** The registry of a kind. */
export function imageRegistry(kind: string): Registry {
  const registry = registries[kind];
  if (registry === undefined) throw new Error(`no registry "${kind}"; known: ${Object.keys(registries).join(", ")}`);
  return registry;
}
