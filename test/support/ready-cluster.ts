import type { TestControlPlane } from "./control-plane.ts";

/** Gives an API server without kubelets a node and a system pod that say they are ready, as those of a new kind cluster do. */
export async function readyCluster(plane: TestControlPlane, ...nodes: readonly string[]): Promise<void> {
  const condition = { type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" };
  const status = async (what: readonly string[], value: object) =>
    plane.kubectl(["patch", ...what, "--subresource=status", "--type=merge", "-p", JSON.stringify({ status: value })]);
  for (const name of nodes) {
    await plane.kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "Node", metadata: { name } }));
    await status(["node", name], { conditions: [{ ...condition, reason: "KubeletReady" }] });
  }
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "coredns", namespace: "kube-system" },
    spec: { automountServiceAccountToken: false, nodeName: nodes[0], containers: [{ name: "coredns", image: "coredns" }] },
  };
  await plane.kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace: "kube-system" } }),
  );
  await plane.kubectl(["apply", "-f", "-"], JSON.stringify(pod));
  await status(["pod", "coredns", "-n", "kube-system"], { phase: "Running", conditions: [condition] });
}
