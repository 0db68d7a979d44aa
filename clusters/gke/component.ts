import * as pulumi from "@pulumi/pulumi";
import { cloudCluster } from "../cloud/component-cluster.ts";
import { CloudProvider, CloudResource } from "../cloud/component-resource.ts";
import { marks, marksLine, physicalName } from "../marks.ts";
import type { ClusterComponent, FoundationArgs } from "../../components/ports/cluster.ts";
import { plugin } from "./cloud.ts";
import type { GkeSpec } from "./spec.ts";

interface GkeFoundation {
  readonly provider: CloudProvider;
  readonly network: CloudResource;
  readonly subnetwork: CloudResource;
  /** Without it the nodes, which have no public address, pull no image. */
  readonly nat: CloudResource;
}

/** A zonal cluster of Google Kubernetes Engine: private nodes, an API server open to the named networks only. */
export const component: ClusterComponent<GkeSpec> = {
  foundation: {
    place: (plan) => `gke-${plan.project}-${plan.zone}`,
    create: createNetwork,
  },
  create(name, args, options) {
    const { cohort, learner, plan, lifetime, foundation } = args;
    const { provider, network, subnetwork, nat } = foundation as GkeFoundation;
    const parent = new pulumi.ComponentResource("gitops-lab:cluster:Gke", name, {}, options);
    const labels = marks(cohort, lifetime, learner);
    const clusterName = physicalName(cohort, learner);
    const cluster = new CloudResource<{ endpoint: string; masterAuth: { clusterCaCertificate: string } }>(
      provider,
      "container/cluster:Cluster",
      `${name}-gke`,
      {
        name: clusterName,
        location: plan.zone,
        network: network.id,
        subnetwork: subnetwork.id,
        // Addresses of pods and services from ranges that Google chooses in the subnetwork.
        ipAllocationPolicy: {},
        networkingMode: "VPC_NATIVE",
        datapathProvider: "ADVANCED_DATAPATH",
        // The pool of a cluster cannot be changed without making the cluster anew; one beside it can.
        removeDefaultNodePool: true,
        initialNodeCount: 1,
        privateClusterConfig: { enablePrivateNodes: true, enablePrivateEndpoint: false },
        masterAuthorizedNetworksConfig: {
          gcpPublicCidrsAccessEnabled: false,
          cidrBlocks: plan.allowedNetworks.map((cidrBlock) => ({ cidrBlock })),
        },
        // So that a pod gets no credential of its node.
        workloadIdentityConfig: { workloadPool: `${plan.project}.svc.id.goog` },
        enableShieldedNodes: true,
        releaseChannel: { channel: "REGULAR" },
        loggingConfig: { enableComponents: ["SYSTEM_COMPONENTS"] },
        monitoringConfig: { enableComponents: ["SYSTEM_COMPONENTS"], managedPrometheus: { enabled: false } },
        resourceLabels: labels,
        // The lab's end is to remove it.
        deletionProtection: false,
      },
      {
        parent,
        outputs: ["endpoint", "masterAuth"],
        additionalSecretOutputs: ["masterAuth"],
        dependsOn: [nat],
        deleteBeforeReplace: true,
        // What Google itself changes later, or what could only be changed by making the cluster anew.
        ignoreChanges: [
          "initialNodeCount",
          "nodeConfig",
          "ipAllocationPolicy",
          "privateClusterConfig",
          "minMasterVersion",
          "nodeVersion",
          "datapathProvider",
        ],
        customTimeouts: { create: "30m", delete: "30m" },
      },
    );
    const pool = new CloudResource(
      provider,
      "container/nodePool:NodePool",
      `${name}-gke-pool`,
      {
        cluster: cluster.id,
        location: plan.zone,
        nodeCount: plan.nodes,
        management: { autoRepair: true, autoUpgrade: true },
        nodeConfig: {
          machineType: plan.machineType,
          diskSizeGb: plan.diskGb,
          diskType: "pd-standard",
          spot: plan.spot,
          oauthScopes: ["devstorage.read_only", "logging.write", "monitoring"].map((scope) => `https://www.googleapis.com/auth/${scope}`),
          workloadMetadataConfig: { mode: "GKE_METADATA" },
          shieldedInstanceConfig: { enableSecureBoot: true, enableIntegrityMonitoring: true },
          labels,
          resourceLabels: labels,
        },
      },
      { parent, deletedWith: cluster },
    );
    return cloudCluster(name, args, parent, {
      resource: cluster,
      nodes: pool,
      place: `GKE cluster ${clusterName} in ${plan.zone}`,
      server: pulumi.interpolate`https://${cluster.output.endpoint}`,
      ca: cluster.output.masterAuth.apply(({ clusterCaCertificate }) => clusterCaCertificate),
      login: {
        command: "gke-gcloud-auth-plugin",
        args: [],
        hint: "Install it with `gcloud components install gke-gcloud-auth-plugin`; log in with `gcloud auth login` and `gcloud auth application-default login`.",
      },
      fluxImages: plan.fluxImages,
    });
  },
};

function createNetwork(name: string, { cohort, plan, lifetime }: FoundationArgs<GkeSpec>): GkeFoundation {
  const region = plan.zone.replace(/-[a-z]$/, "");
  const labels = marks(cohort, lifetime);
  const description = marksLine(labels);
  const provider = new CloudProvider(`${name}-provider`, plugin, { project: plan.project, zone: plan.zone, defaultLabels: labels });
  const physical = physicalName(cohort, `lab-${cohort}`.slice(0, 30));
  // Networks and what is in them have no labels at Google; none of these descriptions may change without a new network.
  const keep = { ignoreChanges: ["description"] };
  const network = new CloudResource(
    provider,
    "compute/network:Network",
    `${name}-network`,
    { name: physical, autoCreateSubnetworks: false, description },
    keep,
  );
  const subnetwork = new CloudResource(
    provider,
    "compute/subnetwork:Subnetwork",
    `${name}-subnetwork`,
    { name: physical, region, network: network.id, ipCidrRange: "10.0.0.0/20", privateIpGoogleAccess: true, description },
    keep,
  );
  const router = new CloudResource(
    provider,
    "compute/router:Router",
    `${name}-router`,
    { name: physical, region, network: network.id, description },
    keep,
  );
  const nat = new CloudResource(
    provider,
    "compute/routerNat:RouterNat",
    `${name}-nat`,
    {
      name: physical,
      region,
      router: physical,
      natIpAllocateOption: "AUTO_ONLY",
      sourceSubnetworkIpRangesToNat: "ALL_SUBNETWORKS_ALL_IP_RANGES",
    },
    { dependsOn: [router], deletedWith: router },
  );
  return { provider, network, subnetwork, nat };
}
