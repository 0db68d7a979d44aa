import * as pulumi from "@pulumi/pulumi";
import type { kindCluster, KindClusterOutput } from "./cluster.ts";
import { requireDoor } from "../../components/lab-host.ts";
import { ManagedResource } from "../../components/managed-resource.ts";
import { realCluster } from "../../components/cluster/real-cluster.ts";
import type { ClusterComponent } from "../../components/ports/cluster.ts";
import type { KindSpec } from "./spec.ts";

/** A cluster in a Docker container of this machine. */
export const component: ClusterComponent<KindSpec> = {
  create(name, args, options) {
    const { cohort, learner, ports, plan, host } = args;
    const parent = new pulumi.ComponentResource("gitops-lab:cluster:Kind", name, {}, options);
    // Where nothing is opened, nothing of the cohort is embedded that the nodes would pull from.
    const opened = host?.opening === undefined ? undefined : { host, name: host.opening.name, door: requireDoor(host) };
    const cluster = new ManagedResource<typeof kindCluster, Required<KindClusterOutput>>(
      `${name}-kind`,
      {
        driver: "kind-cluster",
        type: "KindCluster",
        input: {
          cohort,
          learner,
          ports,
          image: plan.image,
          imageArchives: plan.imageArchives,
          ...(opened && { openName: opened.name, registry: pulumi.output({ host: opened.door.registry, ca: opened.door.ca }) }),
        },
        outputs: {
          cohort: "plain",
          learner: "plain",
          clusterId: "plain",
          apiServer: "plain",
          adminKubeconfig: "secret",
          ingressPort: "plain",
          openApiServer: "plain",
        },
      },
      { parent, dependsOn: opened ? [opened.host] : [] },
    );
    const { clusterId, apiServer, adminKubeconfig, openApiServer } = cluster.output;
    return realCluster(name, args, parent, {
      resource: cluster,
      clusterId,
      apiServer,
      adminKubeconfig,
      fluxImages: plan.fluxImages,
      ...(opened && { open: { apiServer: openApiServer, serverName: kindServerName } }),
    });
  },
};

/** A name that the certificate of every API server of kind's has, whatever its address. */
const kindServerName = "localhost";
