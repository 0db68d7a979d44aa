import { embedded } from "./embedded.ts";
import type { ClusterProvider } from "./types.ts";

const providers: Readonly<Record<string, ClusterProvider>> = { embedded };

export function clusterProvider(kind: string): ClusterProvider {
  const provider = providers[kind];
  if (provider === undefined) throw new Error(`no cluster provider "${kind}"; known: ${Object.keys(providers).join(", ")}`);
  return provider;
}
