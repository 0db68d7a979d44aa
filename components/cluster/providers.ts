import { doks } from "./doks.ts";
import { eks } from "./eks.ts";
import { embedded } from "./embedded.ts";
import { gke } from "./gke.ts";
import { kind } from "./kind.ts";
import { shared } from "./shared.ts";
import type { ClusterProvider } from "../ports/cluster.ts";

const providers: Readonly<Record<string, ClusterProvider>> = { embedded, kind, gke, eks, doks, shared };

/** The provider of a kind of cluster. */
export function clusterProvider(kind: string): ClusterProvider {
  const provider = providers[kind];
  if (provider === undefined) throw new Error(`no cluster provider "${kind}"; known: ${Object.keys(providers).join(", ")}`);
  return provider;
}
