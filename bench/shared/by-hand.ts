import { setTimeout as delay } from "node:timers/promises";
import { run } from "../../shared/exec.ts";
import type { CommandResult } from "../../test/support/lab-cli.ts";
import { toolPath } from "../../tools/locate.ts";

/* What a cloud does for a cluster, done by hand. */

type Kubectl = (...args: string[]) => Promise<CommandResult>;

/** Where the load balancer of the virtual API server is. */
const balancerAddress = "127.0.0.77";

/** Binds the claim of the virtual control plane to the volume that was made by hand, as a cluster's volume controller does. */
export async function bindVolume(kubectl: Kubectl, ended: AbortSignal): Promise<void> {
  const claims = async () =>
    (
      JSON.parse((await kubectl("get", "pvc", "-A", "-o", "json")).stdout || '{"items":[]}') as {
        items: { metadata: { namespace: string; name: string; uid: string } }[];
      }
    ).items;
  for (;;) {
    const claim = (await claims())[0]?.metadata;
    if (ended.aborted) return;
    if (claim === undefined) {
      await delay(500);
      continue;
    }
    const { namespace, name: claimed, uid } = claim;
    const patch = (what: readonly string[], body: object) => kubectl("patch", ...what, "--type=merge", "-p", JSON.stringify(body));
    await patch(["pv", "by-hand"], {
      spec: { claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name: claimed, uid } },
    });
    await patch(["pv", "by-hand", "--subresource=status"], { status: { phase: "Bound" } });
    await patch(["pvc", claimed, "-n", namespace], {
      metadata: { annotations: { "pv.kubernetes.io/bind-completed": "yes" } },
      spec: { volumeName: "by-hand" },
    });
    await patch(["pvc", claimed, "-n", namespace, "--subresource=status"], {
      status: { phase: "Bound", accessModes: ["ReadWriteOnce"], capacity: { storage: "2Gi" } },
    });
    // Of the controller that would take it away when no pod uses the claim any more.
    await patch(["pvc", claimed, "-n", namespace], { metadata: { finalizers: null } });
    return;
  }
}

/** Gives a service the address and leads it to its pods, for as long as it is there. */
export async function balance(kubectl: Kubectl, kubeconfig: string, ended: AbortSignal, say: (text: string) => void): Promise<void> {
  while (!ended.aborted) {
    const { stdout } = await kubectl(
      "get",
      "services",
      "-A",
      "-o",
      "jsonpath={range .items[?(@.spec.type=='LoadBalancer')]}{.metadata.namespace} {.metadata.name} {.status.loadBalancer.ingress[0].ip}{'\\n'}{end}",
    );
    const [namespace, service, address] = stdout.split("\n")[0]?.split(" ") ?? [];
    if (!namespace || !service) {
      await delay(1000);
      continue;
    }
    if (!address) {
      const patched = await kubectl(
        "patch",
        "service",
        service,
        "-n",
        namespace,
        "--subresource=status",
        "--type=merge",
        "-p",
        JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: balancerAddress }] } } }),
      );
      say(`load balancer: ${patched.stdout.trim()}${patched.stderr.trim()}`);
    }
    const forward = await run(
      await toolPath("kubectl"),
      ["port-forward", "-n", namespace, `service/${service}`, "443:443", "--address", balancerAddress],
      { env: { KUBECONFIG: kubeconfig }, reject: false, cancelSignal: ended, stdin: "ignore" },
    );
    if (!ended.aborted) say(`port-forward ended: ${String(forward.stderr).split("\n").at(-1)}`);
    await delay(1000);
  }
}
