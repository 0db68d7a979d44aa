import { createHash } from "node:crypto";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { virtualCluster } from "./cluster.ts";
import type { virtualClusterNamespace } from "./namespace.ts";
import type { Properties } from "../../shared/json.ts";
import { markLabel } from "../../shared/names.ts";
import { ManagedResource } from "../../components/managed-resource.ts";
import { confineLearner } from "./component-confinement.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { marks, physicalName } from "../marks.ts";
import { realCluster, whenReady } from "../../components/cluster/real-cluster.ts";
import type { ClusterComponent, FoundationArgs } from "../../components/ports/cluster.ts";
import type { SharedSpec } from "./spec.ts";

/** A virtual cluster (vcluster) per learner in a namespace of a Kubernetes that is there already. */
export const component: ClusterComponent<SharedSpec> = {
  foundation: {
    place: (plan) => `shared-${markOf(plan)}`,
    create: hostProvider,
  },
  create(name, args, options) {
    const { cohort, learner, plan, lifetime, foundation } = args;
    const provider = foundation as k8s.Provider;
    const parent = new pulumi.ComponentResource("gitops-lab:cluster:Shared", name, {}, options);
    const labels = marks(cohort, lifetime, learner);
    const virtual = physicalName(cohort, learner);
    const below = { kubeconfig: kubeconfigOf(plan), ...(plan.context !== undefined && { context: plan.context }) };
    const claim = new ManagedResource<typeof virtualClusterNamespace>(
      `${name}-namespace`,
      {
        driver: "virtual-cluster-namespace",
        type: "VirtualClusterNamespace",
        input: { cohort, learner, ...below, name: virtual, labels },
        outputs: { learner: "plain", kubeconfig: "plain", name: "plain", mark: "plain" },
      },
      { parent },
    );
    const namespace = new k8s.core.v1.Namespace(
      `${name}-shared-namespace`,
      {
        metadata: {
          name: virtual,
          // The pods of a virtual cluster are pods of this namespace, so what is refused here is refused in there.
          labels: {
            ...labels,
            [markLabel]: claim.output.mark,
            "pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/warn": "restricted",
          },
        },
      },
      // It goes with the claim, which looks whose it is.
      { parent, provider, dependsOn: [claim], deletedWith: claim, retainOnDelete: true },
    );
    const inNamespace = { parent, provider, dependsOn: [namespace], deletedWith: claim };
    const confined = confineLearner(name, { plan, namespace: virtual, labels }, inNamespace);
    const cluster = new ManagedResource<typeof virtualCluster>(
      `${name}-vcluster`,
      {
        driver: "virtual-cluster",
        type: "VirtualCluster",
        input: {
          cohort,
          learner,
          ...below,
          name: virtual,
          mark: claim.output.mark,
          chart: plan.vcluster,
          values: virtualClusterValues(plan, cohort, learner),
          ...(plan.expose.kind === "ingress" && { server: `https://${hostOf(plan.expose, cohort, learner)}` }),
        },
        outputs: { learner: "plain", kubeconfig: "plain", name: "plain", mark: "plain", apiServer: "plain", adminKubeconfig: "secret" },
      },
      { parent, dependsOn: [namespace, ...confined], deletedWith: claim },
    );
    const { apiServer, adminKubeconfig } = cluster.output;
    return realCluster(name, args, parent, {
      resource: cluster,
      claim,
      apiServer,
      fluxImages: plan.fluxImages,
      ...whenReady(name, args, parent, {
        resource: cluster,
        place: `virtual cluster ${virtual}`,
        kubeconfig: adminKubeconfig,
        dependsOn: [cluster],
      }),
    });
  },
};

/** Stands for the shared cluster in names: its file and context say which it is. */
function markOf({ kubeconfig, context }: SharedSpec): string {
  return createHash("sha256")
    .update(`${kubeconfig}\n${context ?? ""}`)
    .digest("hex")
    .slice(0, 8);
}

function hostProvider(name: string, { plan }: FoundationArgs<SharedSpec>): k8s.Provider {
  return new k8s.Provider(`${name}-provider`, {
    // By its path: its content, with whatever credential it holds, does not go into the state.
    kubeconfig: kubeconfigOf(plan),
    ...(plan.context !== undefined && { context: plan.context }),
    clusterIdentifier: name,
    upsertExistingObjects: true,
    // Only of objects in the cohort's own namespaces, and only the fields that the program names.
    enablePatchForce: true,
  });
}

type Expose = SharedSpec["expose"];

function hostOf(expose: Extract<Expose, { kind: "ingress" }>, cohort: string, learner: string): string {
  return `${learner}.${cohort}.${expose.domain}`;
}

/**
 * The chart's values, as its values.yaml describes them. Nothing in them makes an object outside of the namespace, so that all of
 * a virtual cluster goes with it and none has rights beyond it. A changed value starts the control plane anew, so none follows
 * from what changes in a lab's time, as the marks do.
 */
export function virtualClusterValues(
  { expose, controlPlaneImages }: Pick<SharedSpec, "expose" | "controlPlaneImages">,
  cohort: string,
  learner: string,
): Properties {
  const ingress = expose.kind === "ingress" ? hostOf(expose, cohort, learner) : undefined;
  return {
    controlPlane: {
      ...(controlPlaneImages !== undefined && { advanced: { defaultImageRegistry: controlPlaneImages.replace(/\/$/, "") } }),
      statefulSet: {
        // The open source build; the chart's default is the vendor's, which asks for a licence at times.
        image: { repository: "loft-sh/vcluster-oss" },
        resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "1", memory: "1Gi" } },
        persistence: { volumeClaim: { enabled: true, size: "2Gi", retentionPolicy: "Delete" } },
      },
      coredns: { deployment: { resources: { requests: { cpu: "20m", memory: "64Mi" }, limits: { cpu: "200m", memory: "170Mi" } } } },
      ...(expose.kind === "load-balancer" && {
        service: { spec: { type: "LoadBalancer", loadBalancerSourceRanges: [...expose.allowedNetworks] } },
      }),
      ...(ingress !== undefined &&
        expose.kind === "ingress" && {
          // Client certificates and tokens are the virtual API server's business, so TLS ends there.
          ingress: { enabled: true, host: ingress, spec: { ingressClassName: expose.className } },
          proxy: { extraSANs: [ingress] },
        }),
    },
    ...(ingress !== undefined && { exportKubeConfig: { server: `https://${ingress}` } }),
    // Quota, limits and network policy are ours: the learner's cluster is not to depend on its own manners.
    policies: { resourceQuota: { enabled: false }, limitRange: { enabled: false }, networkPolicy: { enabled: false } },
    // Rights for snapshots of volumes are the only ones for which the chart would make a cluster role.
    rbac: { enableVolumeSnapshotRules: { enabled: false } },
    telemetry: { enabled: false },
  };
}
