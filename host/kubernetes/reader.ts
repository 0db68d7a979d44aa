import { connect } from "../../shared/kube-api.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";

/**
 * A reader over the lean client, for the daemon: client-node would cost it 60 MB. Knows the kinds whose plural is the
 * regular one, which all that the checks read have.
 */
export function leanKubeReader(kubeconfig: string, answerTimeoutMs = 10_000): KubeReader {
  const api = connect(kubeconfig, undefined, answerTimeoutMs);
  const collection = (apiVersion: string, kind: string, namespace: string | undefined) =>
    [
      apiVersion.includes("/") ? "/apis" : "/api",
      apiVersion,
      ...(namespace === undefined ? [] : ["namespaces", namespace]),
      plural(kind),
    ].join("/");
  return {
    async list(apiVersion, kind, namespace) {
      const path = collection(apiVersion, kind, namespace);
      const found = await api.send({ method: "GET", path });
      if (found === undefined) throw new Error(`the cluster knows no ${kind}`);
      return (found["items"] as object[]).map((item) => ({ ...item, apiVersion, kind }));
    },
    get: (apiVersion, kind, namespace, name) => api.send({ method: "GET", path: `${collection(apiVersion, kind, namespace)}/${name}` }),
  };
}

function plural(kind: string): string {
  const name = kind.toLowerCase();
  return name.endsWith("y") ? `${name.slice(0, -1)}ies` : `${name}s`;
}
