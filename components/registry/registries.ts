import { embedded } from "./embedded.ts";
import { ghcr, oci } from "./oci.ts";
import type { Registry } from "./types.ts";

const registries: Readonly<Record<string, Registry>> = { embedded, oci, ghcr };

export function imageRegistry(kind: string): Registry {
  const registry = registries[kind];
  if (registry === undefined) throw new Error(`no registry "${kind}"; known: ${Object.keys(registries).join(", ")}`);
  return registry;
}
