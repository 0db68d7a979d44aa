import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { dockerConfig } from "../ports/registry.ts";
import type { ImageRepositoryHandle } from "../ports/registry.ts";
import { inCluster, markedMetadata, type ClusterHandle } from "../ports/cluster.ts";

/**
 * Lets the pods of each environment pull the learner's images, without a word of it in their manifests: by the default
 * service account. Of the namespaces only the names are said here; what Git says of them is Git's.
 */
export function grantPulling(
  name: string,
  cluster: ClusterHandle,
  images: ImageRepositoryHandle,
  environments: readonly string[],
  parent: pulumi.Resource,
): pulumi.Resource[] {
  return environments.flatMap((environment) => {
    const namespace = new k8s.core.v1.Namespace(
      `${name}-pull-${environment}-namespace`,
      { metadata: markedMetadata(cluster, environment) },
      inCluster(cluster, parent),
    );
    const secret = new k8s.core.v1.Secret(
      `${name}-pull-${environment}-secret`,
      {
        metadata: { name: "backend-pull", namespace: environment },
        type: "kubernetes.io/dockerconfigjson",
        stringData: { ".dockerconfigjson": dockerConfig(images) },
      },
      inCluster(cluster, parent, [namespace]),
    );
    // Kubernetes makes this account itself; the provider takes over what is there.
    const account = new k8s.core.v1.ServiceAccount(
      `${name}-pull-${environment}-account`,
      { metadata: { name: "default", namespace: environment }, imagePullSecrets: [{ name: "backend-pull" }] },
      inCluster(cluster, parent, [secret]),
    );
    return [namespace, secret, account];
  });
}
