import * as pulumi from "@pulumi/pulumi";
import { cloudCluster } from "../cloud/component-cluster.ts";
import { ask, CloudProvider, CloudResource } from "../cloud/component-resource.ts";
import { marks, marksLine, physicalName } from "../marks.ts";
import type { ClusterComponent, FoundationArgs } from "../../components/ports/cluster.ts";
import { plugin } from "./cloud.ts";
import type { DoksSpec } from "./spec.ts";

interface DoksFoundation {
  readonly provider: CloudProvider;
  readonly vpc: CloudResource;
  /** The newest version that DigitalOcean offers. */
  readonly version: pulumi.Output<string>;
}

/** A cluster of DigitalOcean Kubernetes in a network of the cohort's own, its API server open to the named networks only. */
export const component: ClusterComponent<DoksSpec> = {
  foundation: {
    place: (plan) => `doks-${plan.region}`,
    create: createNetwork,
  },
  create(name, args, options) {
    const { cohort, learner, plan, lifetime, foundation } = args;
    const { provider, vpc, version } = foundation as DoksFoundation;
    const parent = new pulumi.ComponentResource("gitops-lab:cluster:Doks", name, {}, options);
    const tags = Object.entries(marks(cohort, lifetime, learner)).map(([key, value]) => `${key}:${value}`);
    const clusterName = physicalName(cohort, learner);
    const cluster = new CloudResource<{ endpoint: string; kubeConfigs: { clusterCaCertificate: string }[] }>(
      provider,
      "index/kubernetesCluster:KubernetesCluster",
      `${name}-doks`,
      {
        name: clusterName,
        region: plan.region,
        version,
        vpcUuid: vpc.id,
        ha: false,
        // Patches in place; with `version` as it was at the beginning, no run makes the cluster anew for a newer one.
        autoUpgrade: true,
        surgeUpgrade: true,
        controlPlaneFirewall: { enabled: true, allowedAddresses: plan.allowedNetworks },
        // Load balancers and volumes that pods made go with it.
        destroyAllAssociatedResources: true,
        // DigitalOcean's answer has a token in it that nobody here uses; it ends soon.
        kubeconfigExpireSeconds: 3600,
        nodePool: { name: "lab", size: plan.size, nodeCount: plan.nodes, tags, labels: marks(cohort, lifetime, learner) },
        tags,
      },
      {
        parent,
        outputs: ["endpoint", "kubeConfigs"],
        additionalSecretOutputs: ["kubeConfigs"],
        deleteBeforeReplace: true,
        ignoreChanges: ["version", "vpcUuid"],
        customTimeouts: { create: "30m", delete: "30m" },
      },
    );
    return cloudCluster(name, args, parent, {
      resource: cluster,
      nodes: cluster,
      place: `DigitalOcean cluster ${clusterName} in ${plan.region}`,
      server: cluster.output.endpoint,
      ca: cluster.output.kubeConfigs.apply((configs) => configs[0]?.clusterCaCertificate ?? ""),
      login: {
        command: "doctl",
        args: ["kubernetes", "cluster", "kubeconfig", "exec-credential", "--version=v1beta1", cluster.id],
        hint: "Install it from https://docs.digitalocean.com/reference/doctl; log in with `doctl auth init`, or set DIGITALOCEAN_ACCESS_TOKEN.",
      },
      fluxImages: plan.fluxImages,
    });
  },
};

function createNetwork(name: string, { cohort, plan, lifetime }: FoundationArgs<DoksSpec>): DoksFoundation {
  const provider = new CloudProvider(`${name}-provider`, plugin, {});
  const vpc = new CloudResource(provider, "index/vpc:Vpc", `${name}-vpc`, {
    name: physicalName(cohort, `lab-${cohort}`.slice(0, 30)),
    region: plan.region,
    // A VPC has no tags at DigitalOcean.
    description: marksLine(marks(cohort, lifetime)),
  });
  const version = ask<{ latestVersion: string }>(provider, "index/getKubernetesVersions:getKubernetesVersions", {}).apply(
    ({ latestVersion }) => latestVersion,
  );
  return { provider, vpc, version };
}
