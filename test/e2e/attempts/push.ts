import { join } from "node:path";
import { wasAccepted, type Attempt } from "./attempt.ts";
import type { Scene } from "./scene.ts";

/** The folder of ada's bare repository on the host. */
export function repositoryOf({ ground }: Scene): string {
  return join(ground.paths.git, "ada", ground.ada.gitUrl.split("/").at(-1)!);
}

/** A push from a fresh clone that the lab is to refuse, with a sentence. */
export function accepting(id: string, what: string, prepare: (scene: Scene, folder: string) => Promise<readonly string[]>): Attempt {
  return {
    id,
    kind: "git",
    as: "learner",
    nodes: "both",
    what,
    async attempt(scene) {
      const folder = await scene.ground.clone("ada", scene.id);
      const refs = await prepare(scene, folder);
      return push(scene, folder, refs);
    },
    proof: wasAccepted,
  };
}

/** The same with one commit more than the branch, or its tip's parent. */
export function pushOf(id: string, what: string, refs: readonly string[]): Attempt {
  return accepting(id, what, async (scene, folder) => {
    await scene.ground.commit("ada", folder, { "tried.md": `${id}\n` });
    return refs;
  });
}

/** Pushes, and says what came back. A push that went through is what the row is about. */
export async function push(scene: Scene, folder: string, refs: readonly string[]): Promise<string> {
  const pushed = await scene.ground.git("ada", folder, "push", "origin", ...refs);
  const words = scene.heard(pushed);
  if (pushed.exitCode === 0) scene.accepted = `the push of ${refs.join(" ")}: ${words}`;
  return words;
}
