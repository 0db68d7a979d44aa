import { kustomizationOf } from "./flux.ts";
import type { Scene } from "./scene.ts";

/** Pushes to a branch of the row's own and lets Flux build its folder; returns the refusal of the push, or Flux' verdict. */
export async function fromOwnBranch(scene: Scene, prepare: (folder: string) => Promise<void>, spec: object = {}): Promise<string> {
  const { ground } = scene;
  const folder = await ground.clone("ada", scene.id);
  await prepare(folder);
  const pushed = await ground.git("ada", folder, "push", "origin", `HEAD:refs/heads/${scene.name}`);
  const words = scene.heard(pushed);
  if (pushed.exitCode !== 0) return words;
  const repository = ground.gitRepository(scene.name, { ref: { branch: scene.name }, ...spec });
  await scene.kube.apply(repository);
  const seen = await scene.settled(repository);
  if (seen.status !== "True") return seen.words;
  const kustomization = kustomizationOf(scene, { sourceRef: { kind: "GitRepository", name: scene.name } });
  await scene.kube.apply(kustomization);
  const { status, words: verdict } = await scene.settled(kustomization);
  return `Kustomization is Ready=${status}, ${verdict}`;
}
