import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { SharedSpec } from "./spec.ts";

export interface ConfinementArgs {
  readonly plan: Pick<SharedSpec, "quota" | "clusterNetworks" | "expose">;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The virtual API server's port in its pod. */
const apiPort = 8443;

/** Keeps a learner of a shared cluster to what is theirs: a quota, limits for what names none, and a network of their own. */
export function confineLearner(
  name: string,
  { plan, namespace, labels }: ConfinementArgs,
  options: pulumi.CustomResourceOptions,
): pulumi.Resource[] {
  const { quota, expose, clusterNetworks } = plan;
  const metadata = (object: string) => ({ name: object, namespace, labels: { ...labels } });
  const balanced = expose.kind === "load-balancer";
  const policy = (object: string, spec: k8s.types.input.networking.v1.NetworkPolicySpec) =>
    new k8s.networking.v1.NetworkPolicy(`${name}-shared-${object}`, { metadata: metadata(object), spec }, options);
  const dns = [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ];
  return [
    new k8s.core.v1.ResourceQuota(
      `${name}-shared-quota`,
      {
        metadata: metadata("lab"),
        spec: {
          hard: {
            "requests.cpu": quota.cpu,
            "requests.memory": quota.memory,
            "requests.storage": quota.storage,
            pods: `${quota.pods}`,
            "services.loadbalancers": balanced ? "1" : "0",
            // Which a load balancer takes by itself.
            "services.nodeports": balanced ? "1" : "0",
          },
        },
      },
      options,
    ),
    new k8s.core.v1.LimitRange(
      `${name}-shared-limits`,
      {
        metadata: metadata("lab"),
        spec: {
          limits: [
            {
              type: "Container",
              default: { cpu: "500m", memory: "256Mi" },
              defaultRequest: { cpu: "20m", memory: "64Mi" },
              max: { cpu: "2", memory: "2Gi" },
            },
          ],
        },
      },
      options,
    ),
    policy("deny-all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }),
    policy("lab", {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [{ podSelector: {} }] }],
      egress: [
        { to: [{ podSelector: {} }] },
        { to: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } } }], ports: dns },
        // Git, the registry and whatever else is outside; other learners and the cluster's own services are not.
        { to: [{ ipBlock: { cidr: "0.0.0.0/0", except: clusterNetworks } }] },
      ],
    }),
    // The control plane alone speaks to the API server of the cluster below, and is spoken to from outside. Pods keep the labels
    // that a learner gives them, but for `release`, which vcluster keeps for itself (pkg/util/translate/single_namespace.go).
    policy("control-plane", {
      podSelector: { matchLabels: { app: "vcluster", release: namespace } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ ports: [{ protocol: "TCP", port: apiPort }] }],
      egress: [
        {
          ports: [
            { protocol: "TCP", port: 443 },
            { protocol: "TCP", port: 6443 },
          ],
        },
      ],
    }),
  ];
}
