import type { RegistryProvider } from "../registry.ts";
import { GhcrSpec, OciSpec, type GhcrSettings, type OciSettings } from "./spec.ts";

const elsewhere = {
  steps: {},
  drivers: { "oci-repository": async () => (await import("./repository.ts")).ociRepository },
  component: async () => (await import("./component.ts")).component,
};

export const oci = { ...elsewhere, kind: "oci", spec: OciSpec, takesJobToken: false } satisfies RegistryProvider<OciSettings>;

/** Like any other, but that GitHub's workflows need no credential for it. */
export const ghcr = { ...elsewhere, kind: "ghcr", spec: GhcrSpec, takesJobToken: true } satisfies RegistryProvider<GhcrSettings>;
