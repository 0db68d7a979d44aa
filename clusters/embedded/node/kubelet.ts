import { stringify } from "yaml";
import { nodeAddress } from "../control-plane/networks.ts";
import { containerdSocket } from "./containerd.ts";
import { kubeletPort } from "./network.ts";

/** Where the node finds the files that only it needs. */
export const secrets = "/etc/gitops-lab";

/** Of the kubelet and kube-proxy, which are one process with one log. */
export const verbosity = 1;
export const oomScoreAdjustment = 0;

/** The kubelet's configuration (kubelet.config.k8s.io/v1beta1). */
export function kubeletConfiguration(): string {
  return stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: nodeAddress,
    port: kubeletPort,
    readOnlyPort: 0,
    healthzPort: 0,
    tlsCertFile: `${secrets}/kubelet.crt`,
    tlsPrivateKeyFile: `${secrets}/kubelet.key`,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: `${secrets}/ca.crt` } },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    // CoreDNS is a program of the node, not a pod behind a service.
    clusterDNS: [nodeAddress],
    clusterDomain: "cluster.local",
    // Pods have no way out, so there is nobody further to ask.
    resolvConf: "",
    volumePluginDir: "/var/lib/kubelet-plugins",
    seccompDefault: true,
    maxPods: 40,
    cgroupDriver: "cgroupfs",
    cgroupRoot: "/",
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    // The machine's settings are none of a learner's node's: see lab-room, which keeps them read-only.
    featureGates: { KubeletInUserNamespace: true },
    protectKernelDefaults: false,
    makeIPTablesUtilChains: false,
    oomScoreAdj: oomScoreAdjustment,
    // The disk is shared with everything else on the machine: a node that evicted for it would punish the wrong one.
    evictionHard: { "memory.available": "100Mi" },
    // For the same reason images go by age. The registry, from which they come again, is near.
    imageGCHighThresholdPercent: 100,
    imageMaximumGCAge: "1h",
    nodeStatusUpdateFrequency: "10s",
    serializeImagePulls: false,
    registerNode: true,
    logging: { verbosity },
  });
}
