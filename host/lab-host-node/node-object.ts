import { arch, availableParallelism, release, totalmem } from "node:os";
import type { Properties } from "../../shared/json.ts";
import { manifest } from "../../tools/manifest.ts";
import { labHostTaint } from "./deployments.ts";
import { labHostNode } from "./name.ts";
import { seconds } from "./pod-status.ts";

const architecture = arch() === "x64" ? "amd64" : arch();

/** The node as it is made. */
export function newNode(): Properties {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: labHostNode,
      labels: {
        "kubernetes.io/hostname": labHostNode,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "gitops-lab.dev/nodes": labHostNode,
      },
      annotations: {
        "gitops-lab.dev/stands-for": "the lab host, where the Flux controllers run as processes that the lab daemon supervises",
      },
    },
    spec: { taints: [labHostTaint] },
  };
}

/** The node ready, with what this machine has. @param before the Ready condition as it was */
export function nodeStatus(before: Readonly<Record<string, string>> | undefined): Properties {
  const now = seconds(new Date());
  const resources = { cpu: `${availableParallelism()}`, memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: "10" };
  return {
    // No address: it has no kubelet API, and none may be looked for at what else listens on the host.
    conditions: [
      {
        type: "Ready",
        status: "True",
        reason: "LabDaemonReady",
        message: "the lab daemon answers for this node",
        lastHeartbeatTime: now,
        lastTransitionTime: (before?.["status"] === "True" && before["lastTransitionTime"]) || now,
      },
    ],
    capacity: resources,
    allocatable: resources,
    nodeInfo: {
      architecture,
      operatingSystem: "linux",
      osImage: "lab host",
      bootID: "",
      machineID: "",
      systemUUID: "",
      kernelVersion: release(),
      containerRuntimeVersion: "process://lab-daemon",
      kubeProxyVersion: "",
      kubeletVersion: `v${manifest["kube-apiserver"].version}-lab-daemon`,
    },
  };
}
