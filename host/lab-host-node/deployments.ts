import { fluxLabels } from "../../shared/flux-labels.ts";
import type { Properties } from "../../shared/json.ts";
import { fluxNamespace } from "../../shared/names.ts";
import { fluxControllerNames, fluxRelease, manifest, type FluxController } from "../../tools/manifest.ts";
import { labHostNode } from "./name.ts";

/** Keeps every other pod from the node that stands for the lab host. */
export const labHostTaint = { key: "gitops-lab.dev/lab-host", effect: "NoSchedule" };

/**
 * The Flux controllers that are processes of the lab host, as Deployments of the learner's cluster, whose pods the lab
 * daemon answers for (host/lab-host-node/node.ts). The names that `flux` looks for are those of Flux' own manifests. The image says
 * what it is, at an address that never resolves (RFC 2606): nothing is pulled.
 */
export function fluxDeployments(): { readonly name: FluxController; readonly deployment: Properties }[] {
  return fluxControllerNames.map((name) => {
    const labels = fluxLabels(fluxRelease, name);
    const selector = { app: name };
    const pod = {
      nodeSelector: { "kubernetes.io/hostname": labHostNode },
      // Whatever is wrong with the lab host, there is no other place for them.
      tolerations: [{ operator: "Exists" }],
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // What the supervisor gives a process to end.
      terminationGracePeriodSeconds: 5,
      containers: [{ name: "manager", image: `lab-host.invalid/${name}:v${manifest[name].version}`, imagePullPolicy: "Never" }],
    };
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace: fluxNamespace, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: selector },
        // There is one process, which two pods can't have.
        strategy: { type: "Recreate" },
        template: { metadata: { labels: { ...selector, ...labels } }, spec: pod },
      },
    };
    return { name, deployment };
  });
}
