import type { Look } from "../../ledger/sight.ts";
import type { ClusterProvider } from "../provider.ts";
import { KindSpec } from "./spec.ts";

const inDocker: Look = async (thing) => (await import("./docker-things.ts")).lookInDocker(thing);

export const kind = {
  kind: "kind",
  type: "gitops-lab:cluster:Kind",
  spec: KindSpec,
  plan: (spec) => spec,
  pods: () => "real",
  // The API server's, and one that leads to the node's port 80.
  place: { onThisMachine: true, reach: "door", ports: 2, holdsPortsAsleep: true },
  purposes: () => ["kind"],
  shown: { steps: { KindCluster: { step: "kind-cluster", title: "kind cluster" } } },
  drivers: { "kind-cluster": async () => (await import("./cluster.ts")).kindCluster },
  things: { container: { look: inDocker }, network: { look: inDocker } },
  upkeep: async () => ({ ...(await import("./upkeep.ts")), ...(await import("./conditions.ts")) }),
  component: async () => (await import("./component.ts")).component,
} satisfies ClusterProvider<KindSpec>;
