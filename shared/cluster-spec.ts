import { z } from "zod";
import { vclusterVersion } from "./pins.ts";

/** The node image that kind v0.33.0 was released with: pkg/apis/config/defaults/image.go of its module. */
const kindNodeImage = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";

const Name = z.string().regex(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be a name of a-z, 0-9 and -");
const Count = z.int().min(1, "must be at least 1").max(10, "must be at most 10");

/** Networks that may reach an API server. Nobody opens one to everybody by accident. */
const Networks = z
  .array(z.cidrv4("must be a network such as 203.0.113.0/24"))
  .min(1, "must name at least one network, such as your own address with /32")
  .superRefine((networks, context) => {
    for (const [index, network] of networks.entries()) {
      if (network.endsWith("/0"))
        context.addIssue({
          code: "custom",
          path: [index],
          message: `${network} is open to everybody; name the networks of your instructors and learners`,
        });
    }
  });

/** Processes of this machine. */
const EmbeddedClusterSpec = z.strictObject({
  kind: z.literal("embedded"),
  /** Whether pods run for real, which not every machine allows; `auto`: where this one does. */
  nodes: z.enum(["simulated", "real", "auto"]).default("simulated"),
});

/** A Docker container of this machine, made by kind. */
const KindClusterSpec = z.strictObject({
  kind: z.literal("kind"),
  /** Node image, pinned by digest. */
  image: z
    .string()
    .regex(/^[^\s@]+@sha256:[0-9a-f]{64}$/, "must be pinned by digest, as in kindest/node:v1.37.0@sha256:...")
    .default(kindNodeImage),
  /** Files made by `docker save`, loaded into every node, so that nothing is pulled; relative to stacks/. */
  imageArchives: z.array(z.string().min(1)).default([]),
  /** Where the images of the Flux controllers are. */
  fluxImages: z.string().min(1, "must be a registry with a path").optional(),
});

const cloud = { allowedNetworks: Networks, nodes: Count.default(1), fluxImages: KindClusterSpec.shape.fluxImages };

/** Google Kubernetes Engine, one zone. */
const GkeClusterSpec = z.strictObject({
  kind: z.literal("gke"),
  project: z.string().regex(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, "must be the id of a Google Cloud project"),
  zone: z.string().regex(/^[a-z]+-[a-z]+\d+-[a-z]$/, "must be a zone such as europe-west1-b"),
  machineType: z.string().min(1).default("e2-standard-2"),
  diskGb: z.int().min(20, "must be at least 20").default(30),
  /** Machines that Google may take back at any time, at a fraction of the price. */
  spot: z.boolean().default(true),
  ...cloud,
});

/** Amazon Elastic Kubernetes Service. */
const EksClusterSpec = z.strictObject({
  kind: z.literal("eks"),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "must be a region such as eu-central-1"),
  instanceType: z.string().min(1).default("t3.medium"),
  diskGb: z.int().min(20, "must be at least 20").default(20),
  spot: z.boolean().default(true),
  ...cloud,
});

/** DigitalOcean Kubernetes. */
const DoksClusterSpec = z.strictObject({
  kind: z.literal("doks"),
  region: z.string().regex(/^[a-z]{3}\d$/, "must be a region such as fra1"),
  size: z.string().min(1).default("s-2vcpu-4gb"),
  ...cloud,
});

/** A virtual cluster per learner in a Kubernetes that is there already. */
const SharedClusterSpec = z.strictObject({
  kind: z.literal("shared"),
  /** File of its kubeconfig, relative to stacks/. Its content never goes into the cohort file. */
  kubeconfig: z.string().min(1, "must name a file"),
  /** Context in it; without it the current one. */
  context: z.string().min(1).optional(),
  /** How instructors and learners reach their virtual cluster. */
  expose: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("ingress"),
      /** `<learner>.<cohort>.<domain>` must resolve to the ingress, which passes TLS through. */
      domain: z.string().regex(/^([a-z0-9-]+\.)+[a-z]{2,}$/, "must be a domain such as labs.example.org"),
      className: Name.default("nginx"),
    }),
    z.strictObject({ kind: z.literal("load-balancer"), allowedNetworks: Networks }),
  ]),
  vcluster: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, "must be a chart version such as 0.30.0")
    .default(vclusterVersion),
  /** Where the images of the virtual control plane are: a registry that has those of ghcr.io and Docker Hub by the same paths. */
  controlPlaneImages: z.string().min(1, "must be a registry").optional(),
  /** What all of a learner's pods together may take, the virtual control plane's among them. */
  quota: z
    .strictObject({
      cpu: z
        .string()
        .regex(/^\d+m?$/, "must be an amount such as 2 or 1500m")
        .default("2"),
      memory: z
        .string()
        .regex(/^\d+[MG]i$/, "must be an amount such as 4Gi")
        .default("4Gi"),
      pods: z.int().min(15, "must be at least 15: Flux and the control plane take nine").default(40),
      storage: z
        .string()
        .regex(/^\d+[MG]i$/, "must be an amount such as 10Gi")
        .default("10Gi"),
    })
    .prefault({}),
  /** Networks of the cluster itself, which a learner's pods may not reach; `kubectl cluster-info dump | grep cidr` tells them. */
  clusterNetworks: z.array(z.cidrv4("must be a network such as 10.0.0.0/8")).default(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
  fluxImages: KindClusterSpec.shape.fluxImages,
});

/** Where a learner's cluster runs. */
export const ClusterSpec = z.discriminatedUnion("kind", [
  EmbeddedClusterSpec,
  KindClusterSpec,
  GkeClusterSpec,
  EksClusterSpec,
  DoksClusterSpec,
  SharedClusterSpec,
]);
export type ClusterSpec = z.output<typeof ClusterSpec>;
export type ClusterKind = ClusterSpec["kind"];
export const clusterKinds = ClusterSpec.options.map(({ shape }) => shape.kind.value);

/** The plan of a cluster: like its spec, with every choice taken. */
export type ClusterPlan = Exclude<ClusterSpec, { kind: "embedded" }> | { readonly kind: "embedded"; readonly nodes: Nodes };
export type PlanOf<Kind extends ClusterKind> = Extract<ClusterPlan, { kind: Kind }>;
type Nodes = "real" | "simulated";

/** How pods run in a cluster: only an embedded one simulates them. */
export function nodesOf(plan: ClusterPlan): Nodes {
  return plan.kind === "embedded" ? plan.nodes : "real";
}

/** Whether its nodes are not on this machine. */
export function isRemote({ kind }: Pick<ClusterPlan, "kind">): boolean {
  return kind !== "embedded" && kind !== "kind";
}
