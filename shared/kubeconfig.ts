import { stringify } from "yaml";
import { decodeJwt } from "jose";
import type { Properties } from "./json.ts";
import { activeContext } from "./kube-api.ts";

/** A kubeconfig for one cluster and one user, as YAML. `cluster` and `user` are in the form that a kubeconfig has. */
export function kubeconfigFor(name: string, cluster: Properties, user: Properties): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}

/** The same cluster for a user with that token. */
export function withToken(kubeconfig: string, name: string, token: string): string {
  return kubeconfigFor(name, activeContext(kubeconfig).cluster, { token });
}

/**
 * The same cluster and user at another address.
 *
 * @param serverName the name in the server's certificate, where that does not have the address
 */
export function atServer(kubeconfig: string, name: string, server: string, serverName?: string): string {
  const { cluster, user } = activeContext(kubeconfig);
  return kubeconfigFor(name, { ...cluster, server, ...(serverName !== undefined && { "tls-server-name": serverName }) }, user);
}

/** When the token of a kubeconfig's user ends; undefined where it has none that tells. */
export function tokenEnd(kubeconfig: string): Date | undefined {
  const { token } = activeContext(kubeconfig).user;
  if (typeof token !== "string" || token.split(".").length !== 3) return undefined;
  const { exp } = decodeJwt(token);
  return exp === undefined ? undefined : new Date(exp * 1000);
}
