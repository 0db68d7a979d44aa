import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { clusterReady } from "../../host/drivers/cluster-ready.ts";
import type { learnerToken } from "../../host/drivers/learner-token.ts";
import { atServer } from "../../shared/kubeconfig.ts";
import type { FluxController } from "../../tools/manifest.ts";
import { FluxDeployments } from "../flux/deployments.ts";
import { publishedImage } from "../flux/manifests.ts";
import { ManagedResource } from "../managed-resource.ts";
import type { ClusterArgs, ClusterHandle } from "../ports/cluster.ts";

export interface MadeCluster {
  /** What a cloud, kind or vcluster made. */
  readonly resource: pulumi.Resource;
  /** See `ClusterHandle`. */
  readonly claim?: pulumi.Resource;
  /** See `ClusterHandle`. */
  readonly marks?: ClusterHandle["marks"];
  readonly clusterId: pulumi.Output<string>;
  readonly apiServer: pulumi.Output<string>;
  readonly adminKubeconfig: pulumi.Output<string>;
  /** Prefix of the images of the Flux controllers; without one their own. */
  readonly fluxImages: string | undefined;
  /** Where the cohort is opened: the API server's address from beyond this machine, and a name that its certificate has. */
  readonly open?: { readonly apiServer: pulumi.Output<string>; readonly serverName: string };
}

export interface AwaitedCluster {
  readonly resource: pulumi.Resource;
  /** What the cluster is called in messages, e.g. `GKE cluster ada-1234`. */
  readonly place: pulumi.Input<string>;
  /** The administrator's. */
  readonly kubeconfig: pulumi.Output<string>;
  readonly dependsOn: readonly pulumi.Resource[];
}

/**
 * Waits for a cluster that somebody else makes to answer. What comes back is known only then, so that nothing is put into a
 * cluster before.
 */
export function whenReady(
  name: string,
  { learner }: ClusterArgs,
  parent: pulumi.Resource,
  { resource, place, kubeconfig, dependsOn }: AwaitedCluster,
): Pick<MadeCluster, "clusterId" | "adminKubeconfig"> {
  const ready = new ManagedResource<typeof clusterReady>(
    `${name}-ready`,
    {
      driver: "cluster-ready",
      type: "ClusterReady",
      input: { learner, place: pulumi.output(place), kubeconfig, timeoutSeconds: 300 },
      outputs: { learner: "plain", clusterId: "plain" },
    },
    { parent, dependsOn: [...dependsOn], deletedWith: resource },
  );
  const { clusterId } = ready.output;
  return { clusterId, adminKubeconfig: pulumi.secret(pulumi.all([kubeconfig, clusterId]).apply(([text]) => text)) };
}

/** Namespace of the learner's service account. */
const learnerNamespace = "gitops-lab";

/** What all clusters have in common in which pods run for real on nodes of their own: Flux in Deployments, learners by token. */
export function realCluster(name: string, args: ClusterArgs, parent: pulumi.Resource, made: MadeCluster): ClusterHandle {
  const { cohort, learner, lifetime } = args;
  const kubernetes = new k8s.Provider(
    `${name}-kubernetes`,
    {
      kubeconfig: made.adminKubeconfig,
      // Without it a changed kubeconfig (a new address, another way to log in) replaces the provider and every object with it.
      clusterIdentifier: `${args.plan.kind}/${cohort}/${learner}`,
      // No `deleteUnreachable`: a network that is down is no cluster that is gone. `./lab down` alone says otherwise.
      // After an interrupted run, what the state does not know of is taken over; the official plugin refuses by default.
      upsertExistingObjects: true,
      // As in an embedded cluster: what the run before had called itself must not refuse this one its own fields.
      enablePatchForce: true,
      // A rotated password changes its Secret; by default both plugins would delete and recreate it.
      enableSecretMutable: true,
    },
    { parent },
  );
  const token = new ManagedResource<typeof learnerToken>(
    `${name}-learner-token`,
    {
      driver: "learner-token",
      type: "LearnerToken",
      input: {
        learner,
        clusterId: made.clusterId,
        kubeconfig: made.adminKubeconfig,
        namespace: learnerNamespace,
        until: lifetime.until.toISOString(),
      },
      outputs: { learner: "plain", learnerKubeconfig: "secret" },
    },
    { parent, deletedWith: made.resource },
  );
  const { resource, marks, clusterId, apiServer, adminKubeconfig, open } = made;
  const { learnerKubeconfig } = token.output;
  return {
    resource,
    ...(made.claim && { claim: made.claim }),
    ...(marks && { marks }),
    clusterId,
    apiServer,
    nodes: "real",
    simulated: [],
    adminKubeconfig,
    learnerKubeconfig,
    ...(open && {
      open: {
        apiServer: open.apiServer,
        kubeconfig: pulumi
          .all([learnerKubeconfig, open.apiServer])
          .apply(([text, address]) => atServer(text, learner, address, open.serverName)),
      },
    }),
    kubernetes,
    learnerGroup: `system:serviceaccounts:${learnerNamespace}`,
    fluxUser: undefined,
    fluxControllers: "deployment",
    runFlux: (fluxName, _follows, options) =>
      new FluxDeployments(fluxName, { kubernetes, resource, ...(marks && { marks }) }, { image: fluxImage(made.fluxImages) }, options),
  };
}

/** Where a controller's image is: as the Flux project publishes it, or under a prefix that the cohort file names, by the same name and tag. */
function fluxImage(prefix: string | undefined): (controller: FluxController) => string {
  return (controller) =>
    prefix === undefined ? publishedImage(controller) : publishedImage(controller).replace(/^.*\//, `${prefix.replace(/\/$/, "")}/`);
}
