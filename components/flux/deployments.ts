import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { inCluster, type ClusterHandle } from "../ports/cluster.ts";
import { fluxManifests, type FluxManifestOptions, type Manifest } from "./manifests.ts";

/**
 * The Flux controllers as Deployments of the learner's cluster, where containers run for real. Ready when their pods are.
 * `options` are those of `ClusterHandle.runFlux`: what must be there before, and the parent.
 */
export class FluxDeployments extends pulumi.ComponentResource {
  constructor(
    name: string,
    cluster: Pick<ClusterHandle, "kubernetes" | "resource" | "marks">,
    manifests: FluxManifestOptions,
    options: pulumi.ComponentResourceOptions,
  ) {
    super("gitops-lab:flux:Deployments", name, {}, options);
    const dependsOn = pulumi.output(options.dependsOn ?? []);
    const before: pulumi.Resource[] = [];
    for (const manifest of fluxManifests(manifests)) {
      const made = create(`${name}-${manifest.kind.toLowerCase()}-${manifest.metadata.name}`, marked(manifest, cluster), {
        ...inCluster(cluster, this),
        dependsOn: dependsOn.apply((resources) => [
          ...(Array.isArray(resources) ? resources : [resources]),
          ...(manifest.kind === "Deployment" ? before : []),
        ]),
      });
      if (manifest.kind !== "Deployment") before.push(made);
    }
    this.registerOutputs({});
  }
}

/** What is in a namespace goes with it. */
function marked(manifest: Manifest, { marks }: Pick<ClusterHandle, "marks">): Manifest {
  if (marks === undefined || manifest.metadata.namespace !== undefined) return manifest;
  return { ...manifest, metadata: { ...manifest.metadata, labels: { ...manifest.metadata.labels, ...marks } } } as Manifest;
}

type Constructor = new (name: string, args: never, options: pulumi.CustomResourceOptions) => pulumi.Resource;

/** The kinds that Flux' manifests have. */
const kinds: Readonly<Record<string, Constructor>> = {
  ClusterRole: k8s.rbac.v1.ClusterRole,
  ClusterRoleBinding: k8s.rbac.v1.ClusterRoleBinding,
  ServiceAccount: k8s.core.v1.ServiceAccount,
  Service: k8s.core.v1.Service,
  Deployment: k8s.apps.v1.Deployment,
};

function create(name: string, manifest: Manifest, options: pulumi.CustomResourceOptions): pulumi.Resource {
  const kind = kinds[manifest.kind];
  if (kind === undefined) throw new Error(`Flux' manifests have a ${manifest.kind}, which ${name} does not know to make`);
  return new kind(name, manifest as never, options);
}
