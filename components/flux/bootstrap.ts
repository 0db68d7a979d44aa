import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { fluxDefinitions } from "../../host/drivers/flux-definitions.ts";
import { fluxNamespace, registryAuthoritySecret } from "../../shared/names.ts";
import { inCluster, markedMetadata, type ClusterHandle } from "../ports/cluster.ts";
import type { RepositoryHandle } from "../ports/git.ts";
import { ManagedResource } from "../managed-resource.ts";
import { dockerConfig, type ImageRepositoryHandle } from "../ports/registry.ts";

export interface FluxBootstrapArgs {
  readonly cluster: ClusterHandle;
  readonly repository: RepositoryHandle;
  readonly branch: string;
  readonly images: ImageRepositoryHandle;
  readonly learner: string;
  /** Of Flux, as `2.9.2`. */
  readonly version: string;
  /** Must run before Flux proposes the first image. */
  readonly pipeline: pulumi.Resource;
  /** What the first pods need. */
  readonly before: readonly pulumi.Resource[];
}

/**
 * Flux in a learner's cluster, up to the objects that make it follow the learner's repository. Here Pulumi stops: what
 * those objects bring in belongs to Git, and a field with two owners would be fought over.
 */
export class FluxBootstrap extends pulumi.ComponentResource {
  readonly namespace: pulumi.Resource;
  readonly controllers: pulumi.Resource;
  /** The last thing made: Flux works from here on. */
  readonly sync: pulumi.Resource;

  constructor(name: string, args: FluxBootstrapArgs, options: pulumi.ComponentResourceOptions) {
    super("gitops-lab:flux:Bootstrap", name, {}, options);
    const { cluster, repository, images } = args;
    const here = (...dependsOn: pulumi.Resource[]) => inCluster(cluster, this, dependsOn);

    const namespace = new k8s.core.v1.Namespace(`${name}-namespace`, { metadata: markedMetadata(cluster, fluxNamespace) }, here());
    const definitions = new ManagedResource<typeof fluxDefinitions>(
      `${name}-definitions`,
      {
        driver: "flux-definitions",
        type: "FluxDefinitions",
        input: {
          learner: args.learner,
          clusterId: cluster.clusterId,
          kubeconfig: cluster.adminKubeconfig,
          version: args.version,
          ...(cluster.marks && { labels: pulumi.output(cluster.marks) }),
        },
        outputs: { names: "plain" },
      },
      { parent: this, deletedWith: cluster.resource },
    );
    const rights =
      cluster.fluxUser === undefined
        ? []
        : [
            new k8s.rbac.v1.ClusterRoleBinding(
              `${name}-rights`,
              {
                metadata: markedMetadata(cluster, "gitops-lab-flux"),
                // Flux' own manifests bind it to cluster-admin as well: it applies whatever Git says.
                roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
                subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: cluster.fluxUser }],
              },
              here(),
            ),
          ];
    const gitSecret = new k8s.core.v1.Secret(
      `${name}-git-secret`,
      {
        metadata: { name: "flux-system", namespace: fluxNamespace },
        stringData: repository.flux.secret,
      },
      here(namespace),
    );
    const registrySecret = new k8s.core.v1.Secret(
      `${name}-registry-secret`,
      {
        metadata: { name: "backend-registry", namespace: fluxNamespace },
        type: "kubernetes.io/dockerconfigjson",
        stringData: { ".dockerconfigjson": dockerConfig(images) },
      },
      here(namespace),
    );
    const registryAuthority = (images.authority === undefined ? [] : [images.authority]).map(
      (authority) =>
        new k8s.core.v1.Secret(
          `${name}-registry-authority`,
          { metadata: { name: registryAuthoritySecret, namespace: fluxNamespace }, stringData: { "ca.crt": authority } },
          here(namespace),
        ),
    );
    const follows = [repository.flux.url, images.repository.apply((path) => `${images.insecure ? "http" : "https"}://${path}`)];
    this.controllers = cluster.runFlux(`${name}-controllers`, follows, { parent: this, dependsOn: [namespace, definitions, ...rights] });

    const source = new k8s.apiextensions.CustomResource(
      `${name}-source`,
      {
        apiVersion: "source.toolkit.fluxcd.io/v1",
        kind: "GitRepository",
        metadata: { name: "flux-system", namespace: fluxNamespace },
        // A push is told to Flux at once; the interval is only for what was missed.
        spec: {
          interval: "1m",
          url: repository.flux.url,
          ref: { branch: args.branch },
          secretRef: { name: "flux-system" },
          timeout: "20s",
        },
      },
      here(definitions, gitSecret),
    );
    this.sync = new k8s.apiextensions.CustomResource(
      `${name}-sync`,
      {
        apiVersion: "kustomize.toolkit.fluxcd.io/v1",
        kind: "Kustomization",
        metadata: { name: "flux-system", namespace: fluxNamespace },
        spec: {
          interval: "10m",
          retryInterval: "5s",
          timeout: "2m",
          path: "./flux/bootstrap/flux-system",
          prune: true,
          sourceRef: { kind: "GitRepository", name: "flux-system" },
        },
      },
      here(source, registrySecret, ...registryAuthority, this.controllers, args.pipeline, ...args.before),
    );
    this.namespace = namespace;
    this.registerOutputs({});
  }
}
