import * as pulumi from "@pulumi/pulumi";
import type { KindClusterInput, KindClusterOutput } from "../../host/drivers/kind-cluster.ts";
import type { PlanOf } from "../../shared/cluster-spec.ts";
import { ManagedResource } from "../managed-resource.ts";
import { realCluster } from "./real-cluster.ts";
import type { ClusterArgs, ClusterProvider } from "./types.ts";

/** A cluster in a Docker container of this machine. */
export const kind: ClusterProvider = {
  kind: "kind",
  create(name, args, options) {
    const { cohort, learner, ports, plan } = args as ClusterArgs<PlanOf<"kind">>;
    const parent = new pulumi.ComponentResource("gitops-lab:cluster:Kind", name, {}, options);
    const cluster = new ManagedResource<KindClusterInput, KindClusterOutput>(
      `${name}-kind`,
      {
        driver: "kind-cluster",
        type: "KindCluster",
        input: { cohort, learner, ports, image: plan.image, imageArchives: plan.imageArchives, parallel: plan.parallel },
        outputs: { cohort: "plain", learner: "plain", clusterId: "plain", apiServer: "plain", adminKubeconfig: "secret", ingressPort: "plain" },
      },
      { parent },
    );
    const { clusterId, apiServer, adminKubeconfig } = cluster.output;
    return realCluster(name, args, parent, { resource: cluster, clusterId, apiServer, adminKubeconfig, fluxImages: plan.fluxImages });
  },
};
