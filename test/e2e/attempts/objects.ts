import type { KubeObject } from "./kube.ts";
import type { Scene } from "./scene.ts";

/** A ConfigMap of a row, in the namespace `default`. */
export function configMap(scene: Scene, more: object = {}): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: scene.name, namespace: "default" }, data: { own: "yes" }, ...more };
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}
