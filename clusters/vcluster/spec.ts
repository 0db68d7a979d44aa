import { z } from "zod";
import { vclusterVersion } from "../../shared/pins.ts";
import { fluxImages, Name, Networks } from "../fields.ts";

/** A virtual cluster per learner in a Kubernetes that is there already. */
export const SharedSpec = z.strictObject({
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
  fluxImages,
});
export type SharedSpec = z.output<typeof SharedSpec>;
