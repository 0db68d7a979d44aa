import type { Driver } from "../driver.ts";

/** The drivers by name. Loaded on demand: a plugin process needs few of them at once. */
const loaders = {
  "lab-host": async () => (await import("./lab-host.ts")).labHost((await import("./kind-cluster.ts")).removeKindClusters),
  "embedded-cluster": async () => (await import("./embedded-cluster.ts")).embeddedCluster,
  "kind-cluster": async () => (await import("./kind-cluster.ts")).kindCluster,
  "virtual-cluster": async () => (await import("./virtual-cluster.ts")).virtualCluster,
  "virtual-cluster-namespace": async () => (await import("./virtual-cluster-namespace.ts")).virtualClusterNamespace,
  "learner-token": async () => (await import("./learner-token.ts")).learnerToken,
  "cluster-ready": async () => (await import("./cluster-ready.ts")).clusterReady,
  "git-repository": async () => (await import("./git-repository.ts")).gitRepository,
  "image-repository": async () => (await import("./image-repository.ts")).imageRepository,
  "seed-images": async () => (await import("./seed-images.ts")).seedImages,
  "flux-definitions": async () => (await import("./flux-definitions.ts")).fluxDefinitions,
  "flux-controllers": async () => (await import("./flux-controllers.ts")).fluxControllers,
  pipeline: async () => (await import("./pipeline.ts")).pipeline,
  "oci-repository": async () => (await import("./oci-repository.ts")).ociRepository,
  "ssh-key": async () => (await import("./ssh-key.ts")).sshKey,
  "github-cohort": async () => (await import("./github-cohort.ts")).githubCohort,
  "github-repository": async () => (await import("./github-repository.ts")).githubRepository,
  "github-seed": async () => (await import("./github-seed.ts")).githubSeed,
  "flux-ready": async () => (await import("./flux-ready.ts")).fluxReady,
} as const;

export type DriverName = keyof typeof loaders;

type AnyDriver = Driver<Record<string, unknown>, Record<string, unknown>>;

/** The driver of that name, seen through plain JSON as Pulumi sees it. */
export async function loadDriver(name: DriverName): Promise<AnyDriver> {
  return (await loaders[name]()) as unknown as AnyDriver;
}
