import type { Attempt, Files, Proof } from "./attempt.ts";
import { cluster, source } from "./ground.ts";
import type { KubeObject } from "./kube.ts";
import type { Scene } from "./scene.ts";

/** A Kustomization that is looked at once; it applies into the namespace `default`. */
export function kustomizationOf(scene: Scene, spec: object = {}, name = scene.name): KubeObject {
  return {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name, namespace: cluster },
    spec: {
      sourceRef: source,
      path: `./${scene.id}`,
      targetNamespace: "default",
      prune: false,
      interval: "1h",
      retryInterval: "1h",
      timeout: "20s",
      ...spec,
    },
  };
}

export interface Row {
  readonly id: string;
  readonly finding?: number;
  readonly what: string;
  readonly proof: Proof;
}

/** A row in which Flux builds files of the learner's and comes to a verdict. */
export function byFiles(row: Row, files: (scene: Scene) => Files, spec: (scene: Scene) => object = () => ({})): Attempt {
  return {
    ...row,
    kind: "kustomize",
    as: "learner",
    nodes: "both",
    files,
    attempt: (scene) => scene.verdict(kustomizationOf(scene, spec(scene))),
  };
}

/** A row in which Flux looks at objects of the learner's and comes to a verdict on the last one. */
export function byObjects(row: Row & { readonly kind: "flux" | "source" }, objects: (scene: Scene) => KubeObject[]): Attempt {
  return { ...row, as: "learner", nodes: "both", attempt: (scene) => scene.verdict(...objects(scene)) };
}

export function secretOf(scene: Scene, stringData: Readonly<Record<string, string>>, namespace = cluster): KubeObject {
  return { apiVersion: "v1", kind: "Secret", metadata: { name: scene.name, namespace }, stringData };
}

/** An object of Flux' sources in the learner's cluster. */
export function sourceOf(scene: Scene, kind: string, spec: object): KubeObject {
  return {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind,
    metadata: { name: scene.name, namespace: cluster },
    spec: { interval: "1h", ...(kind !== "HelmChart" && { timeout: "10s" }), ...spec },
  };
}
