import type { KubeReader } from "../../verification/kube-reader.ts";

interface Named {
  readonly metadata: { readonly namespace?: string; readonly name: string };
}

/**
 * The same cluster for one look at it: each kind is read once, over all namespaces, and however many of its objects are
 * asked for they are of that moment. A lab that comes up is looked at twice a second, and each request costs its API server.
 */
export function oneLook(kube: KubeReader): KubeReader {
  const seen = new Map<string, Promise<readonly Named[]>>();

  function all(apiVersion: string, kind: string): Promise<readonly Named[]> {
    const key = `${apiVersion} ${kind}`;
    const found = seen.get(key) ?? (kube.list(apiVersion, kind) as Promise<readonly Named[]>);
    seen.set(key, found);
    return found;
  }

  return {
    async list(apiVersion, kind, namespace) {
      const found = await all(apiVersion, kind);
      return found.filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace);
    },
    async get(apiVersion, kind, namespace, name) {
      const found = await all(apiVersion, kind);
      return found.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
    },
  };
}
