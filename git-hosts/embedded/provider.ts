import { labHostKind } from "../../shared/on-lab-host.ts";
import type { GitHostProvider } from "../git-host.ts";
import { EmbeddedSpec, type EmbeddedSettings } from "./spec.ts";

export const embedded = {
  kind: labHostKind,
  spec: EmbeddedSpec,
  // It is the learner's by the folder that it is in.
  repositoryName: () => "gitops",
  standIns: [],
  logsInWith: [],
  shown: {
    title: "the lab host",
    steps: {
      GitRepository: { step: "git-repository", title: "Git repository" },
      Pipeline: { step: "pipeline", title: "pipeline" },
    },
  },
  drivers: {
    "git-repository": async () => (await import("./repository.ts")).gitRepository,
    pipeline: async () => (await import("./pipeline.ts")).pipeline,
  },
  things: {},
  upkeep: async () => ({}),
  component: async () => (await import("./component.ts")).component,
} satisfies GitHostProvider<EmbeddedSettings>;
