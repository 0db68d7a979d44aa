import { clusterProviders } from "../../clusters/providers.ts";
import { gitHosts } from "../../git-hosts/hosts.ts";
import { registries } from "../../registries/registries.ts";
import { environments } from "../../shared/names.ts";
import type { StepName } from "../../shared/step-name.ts";

/** The resources whose making an instructor waits for, by Pulumi type, and what to call them. */
export const stepsByType: Readonly<Record<string, StepName>> = {
  LabHost: { step: "lab-host", title: "lab daemon and registry" },
  ...Object.assign({}, ...clusterProviders.map(({ shown }) => shown.steps)),
  ClusterReady: { step: "cluster-ready", title: "API server answers" },
  ...Object.assign({}, ...registries.map(({ steps }) => steps)),
  SeedImages: { step: "first-images", title: "first images" },
  SideImages: { step: "practice-images", title: "images to practise on" },
  ...Object.assign({}, ...gitHosts.map(({ shown }) => shown.steps)),
  FluxDefinitions: { step: "flux-kinds", title: "Flux kinds" },
  FluxReady: { step: "flux-ready", title: "Flux brings the lab up" },
};

/** Many small objects that are one step for the person who waits: those below components/flux/bootstrap.ts in a learner's cluster. */
export const fluxObjects: StepName = { step: "flux-objects", title: "Flux objects" };

/** The object of `fluxObjects` that is made last. */
export const lastFluxObject = /\$kubernetes:kustomize\.toolkit\.fluxcd\.io\/v1:Kustomization$/;

/** A learner is up when Flux is up and these bindings exist. Nothing else waits for them: components/cluster/learner-access.ts. */
export const lastObjects = {
  type: /^gitops-lab:lab:Learner\$kubernetes:rbac\.authorization\.k8s\.io\/v1:RoleBinding$/,
  count: environments.length,
};

/** What a run does beside the engine's steps. */
export const phases = {
  tools: { step: "tools", title: "tools" },
  processes: { step: "processes", title: "processes of the cohort" },
  stack: { step: "stack", title: "Pulumi's stack" },
  refresh: { step: "refresh", title: "look at what there is (refresh)" },
  /** Until the first step begins; the whole run where nothing is to be done. */
  compare: { step: "compare", title: "compare what is with what should be" },
  remove: { step: "remove", title: "remove what the engine does not" },
  cleanUp: { step: "clean-up", title: "look for what is left" },
  evidence: { step: "evidence", title: "evidence" },
} as const satisfies Readonly<Record<string, StepName>>;
