import { nodeAddress, podNetwork } from "../control-plane/networks.ts";

/** Within the node, on its own address: kept from pods by the firewall, open to the API server by lab-room's socket. */
export const kubeletPort = 10250;

/**
 * Each pod on a link of its own to the node (`ptp`) instead of on a bridge: all its traffic then passes the firewall and
 * the services' rules, which on a bridge depends on a kernel module.
 */
export function cniConfiguration(): object {
  return {
    cniVersion: "1.0.0",
    name: "pods",
    plugins: [
      {
        type: "ptp",
        ipMasq: false,
        ipam: { type: "host-local", dataDir: "/run/cni", ranges: [[{ subnet: podNetwork }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
    ],
  };
}

/** CoreDNS' configuration: names of services, and no others, since nothing else can be reached. */
export function corefile(kubeconfig: string): string {
  return `.:53 {
  bind ${nodeAddress}
  errors
  cache 5
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
  }
}
`;
}

/**
 * What reaches the node itself: from pods the API server's port and DNS, nothing else. From pods to pods and services
 * everything is let through, as Kubernetes has it.
 */
export function firewall(apiPort: number): string {
  return [
    "*filter",
    ":INPUT DROP [0:0]",
    ":FORWARD DROP [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    `-A INPUT -s ${podNetwork} -d ${nodeAddress} -p tcp --dport ${apiPort} -j ACCEPT`,
    `-A INPUT -s ${podNetwork} -d ${nodeAddress} -p udp --dport 53 -j ACCEPT`,
    `-A INPUT -s ${podNetwork} -d ${nodeAddress} -p tcp --dport 53 -j ACCEPT`,
    "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    `-A FORWARD -s ${podNetwork} -d ${podNetwork} -j ACCEPT`,
    "COMMIT",
    "",
  ].join("\n");
}
