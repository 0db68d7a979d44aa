import { createHash } from "node:crypto";
import { join } from "node:path";
import { stringify } from "yaml";
import { cohortPaths, labHome } from "../../shared/paths.ts";

/** A registry on this machine that the nodes pull from. */
export interface NodeRegistry {
  /** `host:port`, as image names have it. */
  readonly host: string;
  /** PEM of the CA that its certificate is from; without one it speaks plain HTTP. */
  readonly ca?: string;
}

/** Where a node has what `hostsToml` says, a folder for each registry. */
export const nodeRegistries = "/etc/containerd/certs.d";

/** The folder of a learner's kind cluster on this machine. */
export function kindFolder(cohort: string, learner: string): string {
  return join(cohortPaths(cohort).learner(learner).root, "kind");
}

/**
 * The cluster's name, which all of this machine's kind clusters share: the lab's folder is part of it, so that two labs
 * with cohorts of one name stay apart. Short enough for kind to make host names of it.
 */
export function kindName(cohort: string, learner: string): string {
  const mark = createHash("sha256").update(`${labHome()}\n${cohort}\n${learner}`).digest("hex").slice(0, 10);
  return `lab-${learner}-${mark}`;
}

/** The one node's name, which is also its container's. */
export function nodeOf(name: string): string {
  return `${name}-control-plane`;
}

export interface KindConfigOptions {
  readonly image: string;
  /** Loopback ports on this machine. */
  readonly ports: { readonly api: number; readonly ingress: number };
  /** Folder with a folder per registry; see `hostsToml`. */
  readonly registriesFolder: string;
}

/** kind's configuration of a cluster with one node. The port of the API server is ours, so that a kubeconfig survives a restart of Docker. */
export function kindConfig(name: string, { image, ports, registriesFolder }: KindConfigOptions): string {
  return stringify({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    name,
    networking: { apiServerAddress: "127.0.0.1", apiServerPort: ports.api },
    // In the form of version 2, which the containerd configuration of kind's images has.
    containerdConfigPatches: [`[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "${nodeRegistries}"\n`],
    nodes: [
      {
        role: "control-plane",
        image,
        extraPortMappings: [{ containerPort: 80, hostPort: ports.ingress, listenAddress: "127.0.0.1", protocol: "TCP" }],
        extraMounts: [{ hostPath: registriesFolder, containerPath: nodeRegistries, readOnly: true }],
      },
    ],
  });
}

/** What containerd reads of a registry: docs/hosts.md of containerd. */
export function hostsToml({ host, ca }: NodeRegistry): string {
  const server = JSON.stringify(`${ca === undefined ? "http" : "https"}://${host}`);
  return `server = ${server}\n\n[host.${server}]\n  capabilities = ["pull", "resolve"]\n${ca === undefined ? "" : `  ca = ${JSON.stringify(`${nodeRegistries}/${host}/ca.crt`)}\n`}`;
}
