import { lookInDocker } from "../host/kind/docker-things.ts";
import { lookForVirtualCluster } from "../host/virtual-clusters/look.ts";
import type { Kind } from "../ledger/inventory.ts";
import type { Look } from "../ledger/sight.ts";

/** How to look for what providers of clusters make. None of these takes a credential of the stack's. */
export const clusterLooks: Partial<Record<Kind, Look>> = {
  container: lookInDocker,
  network: lookInDocker,
  "virtual-cluster": lookForVirtualCluster,
};
