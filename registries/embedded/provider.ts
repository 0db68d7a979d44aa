import { labHostKind } from "../../shared/on-lab-host.ts";
import type { RegistryProvider } from "../registry.ts";
import { EmbeddedSpec, type EmbeddedSettings } from "./spec.ts";

export const embedded = {
  kind: labHostKind,
  spec: EmbeddedSpec,
  takesJobToken: false,
  steps: { ImageRepository: { step: "image-repository", title: "image repository" } },
  drivers: { "image-repository": async () => (await import("./repository.ts")).imageRepository },
  component: async () => (await import("./component.ts")).component,
} satisfies RegistryProvider<EmbeddedSettings>;
