import type { Driver } from "./host/driver.ts";

/** The drivers by the names that states have. Loaded on demand: a plugin process needs few of them at once. */
const loaders = {
  "lab-host": async () =>
    (await import("./host/drivers/lab-host.ts")).labHost((await import("./host/drivers/kind-cluster.ts")).removeKindClusters),
  "embedded-cluster": async () => (await import("./host/drivers/embedded-cluster.ts")).embeddedCluster,
  "kind-cluster": async () => (await import("./host/drivers/kind-cluster.ts")).kindCluster,
  "virtual-cluster": async () => (await import("./host/drivers/virtual-cluster.ts")).virtualCluster,
  "virtual-cluster-namespace": async () => (await import("./host/drivers/virtual-cluster-namespace.ts")).virtualClusterNamespace,
  "learner-token": async () => (await import("./host/drivers/learner-token.ts")).learnerToken,
  "cluster-ready": async () => (await import("./host/drivers/cluster-ready.ts")).clusterReady,
  "git-repository": async () => (await import("./host/drivers/git-repository.ts")).gitRepository,
  "image-repository": async () => (await import("./host/drivers/image-repository.ts")).imageRepository,
  "seed-images": async () => (await import("./host/drivers/seed-images.ts")).seedImages,
  "flux-definitions": async () => (await import("./host/drivers/flux-definitions.ts")).fluxDefinitions,
  "flux-controllers": async () => (await import("./host/drivers/flux-controllers.ts")).fluxControllers,
  pipeline: async () => (await import("./host/drivers/pipeline.ts")).pipeline,
  "oci-repository": async () => (await import("./host/drivers/oci-repository.ts")).ociRepository,
  "ssh-key": async () => (await import("./host/drivers/ssh-key.ts")).sshKey,
  "github-cohort": async () => (await import("./host/drivers/github-cohort.ts")).githubCohort,
  "github-repository": async () => (await import("./host/drivers/github-repository.ts")).githubRepository,
  "github-seed": async () => (await import("./host/drivers/github-seed.ts")).githubSeed,
  "flux-ready": async () => (await import("./host/drivers/flux-ready.ts")).fluxReady,
} as const;

export type DriverName = keyof typeof loaders;
export const driverNames = Object.keys(loaders) as readonly DriverName[];

type AnyDriver = Driver<Record<string, unknown>, Record<string, unknown>>;

/** The driver of that name, seen through plain JSON as Pulumi sees it. */
export async function loadDriver(name: DriverName): Promise<AnyDriver> {
  return (await loaders[name]()) as unknown as AnyDriver;
}
