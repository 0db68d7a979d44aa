import * as pulumi from "@pulumi/pulumi";
import { cloudCluster } from "../cloud/component-cluster.ts";
import { CloudResource } from "../cloud/component-resource.ts";
import { createEksFoundation, type EksFoundation } from "./component-foundation.ts";
import { marks, physicalName } from "../marks.ts";
import type { ClusterComponent } from "../../components/ports/cluster.ts";
import type { EksSpec } from "./spec.ts";

/** A cluster of Amazon Elastic Kubernetes Service with a managed node group in private subnets. */
export const component: ClusterComponent<EksSpec> = {
  foundation: {
    place: (plan) => `eks-${plan.region}`,
    create: createEksFoundation,
  },
  create(name, args, options) {
    const { cohort, learner, plan, lifetime, foundation } = args;
    const { provider, privateSubnets, clusterRole, nodeRole, ready } = foundation as EksFoundation;
    const parent = new pulumi.ComponentResource("gitops-lab:cluster:Eks", name, {}, options);
    const tags = marks(cohort, lifetime, learner);
    const clusterName = physicalName(cohort, learner);
    const cluster = new CloudResource<{ endpoint: string; certificateAuthority: { data: string } }>(
      provider,
      "eks/cluster:Cluster",
      `${name}-eks`,
      {
        name: clusterName,
        roleArn: clusterRole,
        // Who makes the cluster is its administrator, by IAM and not by a ConfigMap in the cluster.
        accessConfig: { authenticationMode: "API", bootstrapClusterCreatorAdminPermissions: true },
        vpcConfig: {
          subnetIds: privateSubnets,
          endpointPrivateAccess: true,
          endpointPublicAccess: true,
          publicAccessCidrs: plan.allowedNetworks,
        },
        tags,
      },
      {
        parent,
        outputs: ["endpoint", "certificateAuthority"],
        dependsOn: [...ready],
        deleteBeforeReplace: true,
        // All of these make a cluster anew, and none is worth that.
        ignoreChanges: ["accessConfig", "roleArn", "vpcConfig.subnetIds", "version", "bootstrapSelfManagedAddons"],
        customTimeouts: { create: "30m", delete: "30m" },
      },
    );
    const template = new CloudResource(
      provider,
      "ec2/launchTemplate:LaunchTemplate",
      `${name}-eks-nodes`,
      {
        name: clusterName,
        // Instances and disks get no tags from their node group.
        tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags })),
        blockDeviceMappings: [
          { deviceName: "/dev/xvda", ebs: { volumeSize: plan.diskGb, volumeType: "gp3", encrypted: "true", deleteOnTermination: "true" } },
        ],
        // One hop: a pod gets no credential of its node.
        metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1 },
        tags,
      },
      { parent },
    );
    const nodes = new CloudResource(
      provider,
      "eks/nodeGroup:NodeGroup",
      `${name}-eks-pool`,
      {
        clusterName: cluster.id,
        nodeRoleArn: nodeRole,
        subnetIds: privateSubnets,
        instanceTypes: [plan.instanceType],
        capacityType: plan.spot ? "SPOT" : "ON_DEMAND",
        scalingConfig: { desiredSize: plan.nodes, minSize: plan.nodes, maxSize: plan.nodes },
        launchTemplate: { id: template.id, version: "$Latest" },
        tags,
      },
      { parent, ignoreChanges: ["version", "releaseVersion"], customTimeouts: { create: "30m", delete: "30m" } },
    );
    return cloudCluster(name, args, parent, {
      resource: cluster,
      nodes,
      place: `EKS cluster ${clusterName} in ${plan.region}`,
      server: cluster.output.endpoint,
      ca: cluster.output.certificateAuthority.apply(({ data }) => data),
      login: {
        command: "aws",
        args: ["eks", "get-token", "--cluster-name", cluster.id, "--region", plan.region, "--output", "json"],
        hint: "Install the AWS CLI; log in with `aws sso login` or `aws configure`.",
      },
      fluxImages: plan.fluxImages,
    });
  },
};
