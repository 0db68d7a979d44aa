import { createHash } from "node:crypto";
import { isAbsolute, join } from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { PlanOf } from "../../shared/cluster-spec.ts";
import { atServer } from "../../shared/kubeconfig.ts";
import { confineLearner } from "./confinement.ts";
import { marks, physicalName } from "./marks.ts";
import { realCluster, whenReady } from "./real-cluster.ts";
import type { ClusterArgs, ClusterProvider, FoundationArgs } from "./types.ts";

type Shared = PlanOf<"shared">;

/** A virtual cluster (vcluster) per learner in a namespace of a Kubernetes that is there already. */
export const shared: ClusterProvider = {
  kind: "shared",
  foundation: { place: (plan) => `shared-${markOf(plan as Shared)}`, create: (name, args) => hostProvider(name, args as FoundationArgs<Shared>) },
  create(name, args, options) {
    const { cohort, learner, plan, lifetime, foundation } = args as ClusterArgs<Shared>;
    const provider = foundation as k8s.Provider;
    const parent = new pulumi.ComponentResource("gitops-lab:cluster:Shared", name, {}, options);
    const labels = marks(cohort, lifetime, learner);
    const here = { parent, provider };
    const virtual = physicalName(cohort, learner);
    const namespace = new k8s.core.v1.Namespace(
      `${name}-shared-namespace`,
      {
        metadata: {
          name: virtual,
          // The pods of a virtual cluster are pods of this namespace, so what is refused here is refused in there.
          labels: { ...labels, "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted" },
        },
      },
      here,
    );
    const inNamespace = { ...here, dependsOn: [namespace], deletedWith: namespace };
    const confined = confineLearner(name, { plan, namespace: virtual, labels }, inNamespace);
    const release = new k8s.helm.v3.Release(
      `${name}-vcluster`,
      {
        name: virtual,
        namespace: virtual,
        chart: "vcluster",
        version: plan.vcluster,
        repositoryOpts: { repo: "https://charts.loft.sh" },
        values: virtualClusterValues(plan, cohort, learner, labels),
        cleanupOnFail: true,
        timeout: 600,
      },
      // Not `deletedWith` the namespace: a chart may make cluster roles, which outlive it.
      { ...here, dependsOn: [namespace, ...confined], customTimeouts: { create: "12m" } },
    );
    const secret = k8s.core.v1.Secret.get(`${name}-vcluster-kubeconfig`, pulumi.interpolate`${virtual}/vc-${release.name}`, here);
    const exported = secret.data.apply((data) => Buffer.from(data["config"] ?? "", "base64").toString());
    const server = plan.expose.kind === "ingress" ? pulumi.output(`https://${hostOf(plan.expose, cohort, learner)}`) : loadBalancerUrl(name, release, virtual, here);
    const kubeconfig = pulumi.secret(pulumi.all([exported, server]).apply(([text, url]) => atServer(text, `${cohort}-${learner}`, url)));
    return realCluster(name, args, parent, {
      resource: release,
      apiServer: server,
      fluxImages: plan.fluxImages,
      ...whenReady(name, args, parent, { resource: release, place: `virtual cluster ${virtual}`, kubeconfig, dependsOn: [release] }),
    });
  },
};

/** Stands for the shared cluster in names: its file and context say which it is. */
function markOf({ kubeconfig, context }: Shared): string {
  return createHash("sha256").update(`${kubeconfig}\n${context ?? ""}`).digest("hex").slice(0, 8);
}

function hostProvider(name: string, { plan }: FoundationArgs<Shared>): k8s.Provider {
  return new k8s.Provider(`${name}-provider`, {
    // By its path: its content, with whatever credential it holds, does not go into the state.
    kubeconfig: isAbsolute(plan.kubeconfig) ? plan.kubeconfig : join(import.meta.dirname, "../../stacks", plan.kubeconfig),
    ...(plan.context !== undefined && { context: plan.context }),
    clusterIdentifier: name,
    upsertExistingObjects: true,
  });
}

type Expose = Shared["expose"];

function hostOf(expose: Extract<Expose, { kind: "ingress" }>, cohort: string, learner: string): string {
  return `${learner}.${cohort}.${expose.domain}`;
}

/** Where a load balancer has put the virtual API server. Helm has waited until it has. */
function loadBalancerUrl(name: string, release: k8s.helm.v3.Release, namespace: string, options: pulumi.CustomResourceOptions): pulumi.Output<string> {
  const service = k8s.core.v1.Service.get(`${name}-vcluster-service`, pulumi.interpolate`${namespace}/${release.name}`, options);
  return service.status.loadBalancer.ingress.apply((ingress) => `https://${ingress[0]?.ip ?? ingress[0]?.hostname ?? ""}`);
}

/** The chart's values, as its values.yaml describes them. */
function virtualClusterValues({ expose }: Shared, cohort: string, learner: string, labels: Readonly<Record<string, string>>): pulumi.Inputs {
  const ingress = expose.kind === "ingress" ? hostOf(expose, cohort, learner) : undefined;
  return {
    controlPlane: {
      statefulSet: {
        labels,
        resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { cpu: "1", memory: "1Gi" } },
        persistence: { volumeClaim: { enabled: true, size: "2Gi", retentionPolicy: "Delete" } },
      },
      coredns: { deployment: { resources: { requests: { cpu: "20m", memory: "64Mi" }, limits: { cpu: "200m", memory: "170Mi" } } } },
      ...(expose.kind === "load-balancer" && { service: { spec: { type: "LoadBalancer", loadBalancerSourceRanges: expose.allowedNetworks } } }),
      ...(expose.kind === "ingress" && {
        // Client certificates and tokens are the virtual API server's business, so TLS ends there.
        ingress: { enabled: true, host: ingress, spec: { ingressClassName: expose.className } },
        proxy: { extraSANs: [ingress] },
      }),
    },
    ...(ingress !== undefined && { exportKubeConfig: { server: `https://${ingress}` } }),
    // Quota, limits and network policy are ours: the learner's cluster is not to depend on its own manners.
    policies: { resourceQuota: { enabled: false }, limitRange: { enabled: false }, networkPolicy: { enabled: false } },
    telemetry: { enabled: false },
  };
}
