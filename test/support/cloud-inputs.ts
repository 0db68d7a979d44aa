/*
 * Writes test/support/cloud-inputs.json: what each resource of a cloud that the lab makes takes, read from the type
 * declarations of Pulumi's npm packages. Run it again after a change of a cloud.ts in clusters/ or for a new resource:
 *
 *   for p in gcp@9.37.0 aws@7.48.0 digitalocean@4.80.1; do npm pack @pulumi/$p; done   # then unpack each to <folder>/<gcp|aws|digitalocean>
 *   node test/support/cloud-inputs.ts <folder>
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

/** The resources by type, each with the inputs that are looked into; what is a map of the user's names ends there. */
const wanted: Readonly<Record<string, readonly string[]>> = {
  "gcp:compute/network:Network": [],
  "gcp:compute/subnetwork:Subnetwork": [],
  "gcp:compute/router:Router": [],
  "gcp:compute/routerNat:RouterNat": [],
  "gcp:container/cluster:Cluster": [
    "privateClusterConfig",
    "masterAuthorizedNetworksConfig",
    "workloadIdentityConfig",
    "releaseChannel",
    "loggingConfig",
    "monitoringConfig",
  ],
  "gcp:container/nodePool:NodePool": ["management", "nodeConfig"],
  "aws:ec2/vpc:Vpc": [],
  "aws:ec2/internetGateway:InternetGateway": [],
  "aws:ec2/subnet:Subnet": [],
  "aws:ec2/routeTable:RouteTable": ["routes"],
  "aws:ec2/routeTableAssociation:RouteTableAssociation": [],
  "aws:ec2/eip:Eip": [],
  "aws:ec2/natGateway:NatGateway": [],
  "aws:iam/role:Role": [],
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": [],
  "aws:eks/cluster:Cluster": ["accessConfig", "vpcConfig"],
  "aws:ec2/launchTemplate:LaunchTemplate": ["tagSpecifications", "blockDeviceMappings", "metadataOptions"],
  "aws:eks/nodeGroup:NodeGroup": ["scalingConfig", "launchTemplate"],
  "digitalocean:index/vpc:Vpc": [],
  "digitalocean:index/kubernetesCluster:KubernetesCluster": ["controlPlaneFirewall", "nodePool"],
};

const folder = process.argv[2] ?? ".";
const sourceOf = (file: string) => ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);

/** Interfaces by their qualified name, e.g. `container.ClusterPrivateClusterConfig`. */
function interfacesOf(file: string): Map<string, ts.InterfaceDeclaration> {
  const found = new Map<string, ts.InterfaceDeclaration>();
  const visit = (node: ts.Node, prefix: string): void => {
    if (ts.isInterfaceDeclaration(node)) found.set(`${prefix}${node.name.text}`, node);
    else if (ts.isModuleDeclaration(node)) ts.forEachChild(node.body!, (child) => visit(child, `${prefix}${node.name.text}.`));
  };
  ts.forEachChild(sourceOf(file), (node) => visit(node, ""));
  return found;
}

const nestedTypes = new Map(
  ["gcp", "aws", "digitalocean"].map((cloud) => [cloud, interfacesOf(join(folder, cloud, "types", "input.d.ts"))]),
);

function membersOf(declaration: ts.InterfaceDeclaration, cloud: string, prefix: string, deep: (name: string) => boolean): string[] {
  return declaration.members.filter(ts.isPropertySignature).flatMap((member) => {
    const name = `${prefix}${member.name.getText()}`;
    const type = member.type?.getText() ?? "";
    if (/\[key: string\]/.test(type)) return [name, `${name}.*`];
    const nested = nestedTypes.get(cloud)?.get(/inputs\.([\w.]+)/.exec(type)?.[1] ?? "");
    return nested !== undefined && deep(name)
      ? [name, ...membersOf(nested, cloud, `${name}.`, () => prefix.split(".").length < 3)]
      : [name];
  });
}

const inputs = Object.entries(wanted).map(([type, looked]) => {
  const [cloud = "", path = "", name = ""] = type.split(":");
  const file = join(folder, cloud, `${path.replace(/^index\//, "")}.d.ts`);
  const declaration = interfacesOf(file).get(`${name}Args`);
  if (declaration === undefined) throw new Error(`${file} has no ${name}Args`);
  return [type, membersOf(declaration, cloud, "", (input) => looked.includes(input)).sort()] as const;
});
writeFileSync(join(import.meta.dirname, "cloud-inputs.json"), `${JSON.stringify(Object.fromEntries(inputs), null, 1)}\n`);
