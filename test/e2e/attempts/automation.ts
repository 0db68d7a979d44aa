import { cluster } from "./ground.ts";
import type { KubeObject } from "./kube.ts";
import type { Scene } from "./scene.ts";

/** An automation that works once on the row's own folder and pushes to a branch of its own. */
export function automationOf(scene: Scene, messageTemplate: string): KubeObject {
  return {
    apiVersion: "image.toolkit.fluxcd.io/v1",
    kind: "ImageUpdateAutomation",
    metadata: { name: scene.name, namespace: "develop" },
    spec: {
      interval: "1h",
      sourceRef: { kind: "GitRepository", name: "attempts", namespace: cluster },
      git: {
        checkout: { ref: { branch: "attempts" } },
        commit: { author: { name: "x", email: "x@example.org" }, messageTemplate },
        push: { branch: scene.name },
      },
      update: { strategy: "Setters", path: `./${scene.id}` },
    },
  };
}
