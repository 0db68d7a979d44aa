import type * as pulumi from "@pulumi/pulumi";
import { ask, CloudProvider, CloudResource } from "../cloud/component-resource.ts";
import { marks, physicalName } from "../marks.ts";
import type { FoundationArgs } from "../../components/ports/cluster.ts";
import { plugin } from "./cloud.ts";
import type { EksSpec } from "./spec.ts";

export interface EksFoundation {
  readonly provider: CloudProvider;
  readonly privateSubnets: readonly pulumi.Output<string>[];
  /** ARNs. */
  readonly clusterRole: pulumi.Output<string>;
  readonly nodeRole: pulumi.Output<string>;
  /** What a cluster needs before it is made, and until it is gone. */
  readonly ready: readonly pulumi.Resource[];
}

/** EKS wants subnets in two zones. */
const zones = [0, 1] as const;

/** What EKS nodes need of the account: AWS managed policies. */
const nodePolicies = ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"];

/**
 * The cohort's network in a region and the roles of its clusters: one VPC and one NAT gateway for all learners, since an
 * account has five of each by default and a gateway costs as much as a node.
 */
export function createEksFoundation(name: string, { cohort, plan, lifetime }: FoundationArgs<EksSpec>): EksFoundation {
  const tags = marks(cohort, lifetime);
  const provider = new CloudProvider(`${name}-provider`, plugin, { region: plan.region, defaultTags: { tags } });
  const physical = physicalName(cohort, `lab-${cohort}`.slice(0, 30));
  const make = <Outputs extends object>(
    type: string,
    suffix: string,
    inputs: pulumi.Inputs,
    options: ConstructorParameters<typeof CloudResource<Outputs>>[4] = {},
  ) => new CloudResource<Outputs>(provider, type, `${name}-${suffix}`, inputs, options);
  const available = ask<{ names: string[] }>(provider, "index/getAvailabilityZones:getAvailabilityZones", { state: "available" });
  const zone = (index: number) => available.apply(({ names }) => names[index] ?? "");
  const keepZone = { ignoreChanges: ["availabilityZone"] };

  const vpc = make("ec2/vpc:Vpc", "vpc", {
    cidrBlock: "10.0.0.0/16",
    enableDnsHostnames: true,
    enableDnsSupport: true,
    tags: { ...tags, Name: physical },
  });
  const gateway = make("ec2/internetGateway:InternetGateway", "gateway", { vpcId: vpc.id, tags });
  // For the NAT gateway alone: nothing in it is given a public address by itself.
  const outer = make(
    "ec2/subnet:Subnet",
    "outer",
    { vpcId: vpc.id, cidrBlock: "10.0.0.0/24", availabilityZone: zone(0), mapPublicIpOnLaunch: false, tags },
    keepZone,
  );
  const outerRoutes = make("ec2/routeTable:RouteTable", "outer-routes", {
    vpcId: vpc.id,
    routes: [{ cidrBlock: "0.0.0.0/0", gatewayId: gateway.id }],
    tags,
  });
  const outerRouted = make("ec2/routeTableAssociation:RouteTableAssociation", "outer-routed", {
    subnetId: outer.id,
    routeTableId: outerRoutes.id,
  });
  const address = make("ec2/eip:Eip", "address", { domain: "vpc", tags }, { dependsOn: [gateway] });
  const nat = make(
    "ec2/natGateway:NatGateway",
    "nat",
    { allocationId: address.id, subnetId: outer.id, tags },
    { dependsOn: [outerRouted] },
  );
  const innerRoutes = make("ec2/routeTable:RouteTable", "inner-routes", {
    vpcId: vpc.id,
    routes: [{ cidrBlock: "0.0.0.0/0", natGatewayId: nat.id }],
    tags,
  });
  const inner = zones.map((index) =>
    make(
      "ec2/subnet:Subnet",
      `inner-${index}`,
      {
        vpcId: vpc.id,
        cidrBlock: `10.0.${64 * (index + 1)}.0/18`,
        availabilityZone: zone(index),
        mapPublicIpOnLaunch: false,
        tags: { ...tags, "kubernetes.io/role/internal-elb": "1" },
      },
      keepZone,
    ),
  );
  const innerRouted = inner.map((subnet, index) =>
    make("ec2/routeTableAssociation:RouteTableAssociation", `inner-routed-${index}`, { subnetId: subnet.id, routeTableId: innerRoutes.id }),
  );

  const role = (what: string, service: string, policies: readonly string[]) => {
    const assumeRolePolicy = JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
    });
    const made = make<{ arn: string }>(
      "iam/role:Role",
      `${what}-role`,
      { name: `${physical}-${what}`, assumeRolePolicy, tags },
      { outputs: ["arn"] },
    );
    const attached = policies.map((policy) =>
      make("iam/rolePolicyAttachment:RolePolicyAttachment", `${what}-${policy}`, {
        role: made.id,
        policyArn: `arn:aws:iam::aws:policy/${policy}`,
      }),
    );
    return { arn: made.output.arn, attached };
  };
  const clusterRole = role("cluster", "eks.amazonaws.com", ["AmazonEKSClusterPolicy"]);
  const nodeRole = role("node", "ec2.amazonaws.com", nodePolicies);
  return {
    provider,
    privateSubnets: inner.map(({ id }) => id),
    clusterRole: clusterRole.arn,
    nodeRole: nodeRole.arn,
    ready: [nat, ...innerRouted, ...clusterRole.attached, ...nodeRole.attached],
  };
}
