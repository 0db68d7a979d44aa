import * as pulumi from "@pulumi/pulumi";
import { realCluster } from "../../components/cluster/real-cluster.ts";
import { ManagedResource } from "../../components/managed-resource.ts";
import type { ClusterComponent } from "../../components/ports/cluster.ts";
import { markLabel } from "../../shared/names.ts";
import { inStacks } from "../in-stacks.ts";
import { marks } from "../marks.ts";
import type { externalCluster, ExternalClusterOutput } from "./cluster.ts";
import { versionOf } from "../brought-kubeconfig.ts";
import type { ExternalSpec } from "./spec.ts";

/** A cluster that the instructor brings. The lab takes it for a learner, and leaves it as it was. */
export const component: ClusterComponent<ExternalSpec> = {
  create(name, args, options) {
    const { cohort, learner, plan, lifetime } = args;
    const parent = new pulumi.ComponentResource("gitops-lab:cluster:External", name, {}, options);
    const labels = marks(cohort, lifetime, learner);
    const cluster = new ManagedResource<typeof externalCluster, Required<ExternalClusterOutput>>(
      `${name}-external`,
      {
        driver: "external-cluster",
        type: "ExternalCluster",
        input: {
          cohort,
          learner,
          kubeconfig: inStacks(plan.kubeconfig),
          ...(plan.context !== undefined && { context: plan.context }),
          version: versionOf(plan),
          labels,
        },
        outputs: {
          cohort: "plain",
          learner: "plain",
          mark: "plain",
          since: "plain",
          clusterId: "plain",
          apiServer: "plain",
          adminKubeconfig: "secret",
        },
      },
      { parent },
    );
    const { clusterId, apiServer, adminKubeconfig, mark } = cluster.output;
    return realCluster(name, args, parent, {
      resource: cluster,
      claim: cluster,
      marks: { ...labels, [markLabel]: mark },
      clusterId,
      apiServer,
      adminKubeconfig,
      fluxImages: plan.fluxImages,
    });
  },
};
