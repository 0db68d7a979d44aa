import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { LabHost } from "../lab-host.ts";

export interface ClusterArgs {
  readonly cohort: string;
  readonly learner: string;
  readonly ports: { readonly from: number; readonly to: number };
  /** Whether pods are to run for real. */
  readonly nodes: "real" | "simulated";
  readonly host: LabHost;
}

/** Narrow port: what the rest of a lab needs to know of a cluster. */
export interface ClusterProvider {
  readonly kind: string;
  create(name: string, args: ClusterArgs, options: pulumi.ComponentResourceOptions): ClusterHandle;
}

export interface ClusterHandle {
  /** What every object in the cluster names as `deletedWith`: with the cluster they are all gone. */
  readonly resource: pulumi.Resource;
  /** Changes only when the cluster is made anew. */
  readonly clusterId: pulumi.Output<string>;
  readonly apiServer: pulumi.Output<string>;
  readonly nodes: "real" | "simulated";
  /** What stands in for the real thing here, a sentence each. */
  readonly simulated: readonly string[];
  readonly adminKubeconfig: pulumi.Output<string>;
  readonly learnerKubeconfig: pulumi.Output<string>;
  readonly kubernetes: k8s.Provider;
  /** User name that the Flux controllers have in the cluster; undefined where they run as Deployments, with accounts of their own. */
  readonly fluxUser: string | undefined;
  readonly fluxControllers: "host-process" | "deployment";
  /** Starts the Flux controllers, once their CRDs and rights are there. */
  runFlux(name: string, options: pulumi.CustomResourceOptions): pulumi.Resource;
}

/** Options of an object in the cluster: its own provider, never a default one, and gone with the cluster. */
export function inCluster(cluster: Pick<ClusterHandle, "kubernetes" | "resource">, parent: pulumi.Resource, dependsOn: pulumi.Resource[] = []): pulumi.CustomResourceOptions {
  return { parent, provider: cluster.kubernetes, deletedWith: cluster.resource, dependsOn };
}
