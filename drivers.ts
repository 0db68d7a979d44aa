import { clusterProviders } from "./clusters/providers.ts";
import { gitHosts } from "./git-hosts/hosts.ts";
import type { Driver, Drivers } from "./host/driver.ts";
import { registries } from "./registries/registries.ts";

/** The drivers that are no provider's. */
const ofNobody: Drivers = {
  "lab-host": async () => (await import("./host/drivers/lab-host.ts")).labHost((await import("./clusters/upkeep.ts")).sweepClusters),
  "learner-token": async () => (await import("./host/drivers/learner-token.ts")).learnerToken,
  "cluster-ready": async () => (await import("./host/drivers/cluster-ready.ts")).clusterReady,
  "seed-images": async () => (await import("./host/drivers/seed-images.ts")).seedImages,
  "flux-definitions": async () => (await import("./host/drivers/flux-definitions.ts")).fluxDefinitions,
  "flux-ready": async () => (await import("./host/drivers/flux-ready.ts")).fluxReady,
};

/** The drivers by the names that states have. Loaded on demand: a plugin process needs few of them at once. */
const loaders: Drivers = Object.assign({}, ofNobody, ...[...clusterProviders, ...gitHosts, ...registries].map(({ drivers }) => drivers));

export const driverNames: readonly string[] = Object.keys(loaders);

type AnyDriver = Driver<Record<string, unknown>, Record<string, unknown>>;

/** The driver of that name, seen through plain JSON as Pulumi sees it. */
export async function loadDriver(name: string): Promise<AnyDriver> {
  const load = loaders[name];
  if (load === undefined) throw new Error(`no driver "${name}"; known: ${driverNames.join(", ")}`);
  return (await load()) as unknown as AnyDriver;
}
