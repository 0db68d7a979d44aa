import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { waitUntil } from "../../../shared/wait.ts";
import { wasAccepted, type Attempt } from "./attempt.ts";
import { ownImage, overlay, takeBack } from "./own-image.ts";
import type { Scene } from "./scene.ts";

const policy = "flux/apps/backend/production/image-policy.yaml";

/** What main says of an environment's image now. */
async function overlayOnMain({ id, ground }: Scene, environment: string): Promise<string> {
  return readFile(join(await ground.clone("ada", `${id}-look`), overlay(environment)), "utf8");
}

/** The policy of production picks images of develop, and the newest of these is one that no pipeline built. */
export const rewrittenPolicy: Attempt = {
  id: "policy-rewritten",
  finding: 15,
  kind: "gate",
  as: "learner",
  nodes: "both",
  alone: true,
  what: "The image policy of production is rewritten to pick images of develop.",
  async attempt(scene) {
    const { ground } = scene;
    const folder = await ground.clone("ada", scene.id);
    const tip = (await ground.git("ada", folder, "rev-parse", "HEAD")).stdout;
    const text = await readFile(join(folder, policy), "utf8");
    await ground.commit("ada", folder, { [policy]: text.replace("^production-", "^develop-") });
    const pushed = await ground.git("ada", folder, "push", "origin", "HEAD:main");
    const words = scene.heard(pushed);
    if (pushed.exitCode !== 0) return words;
    const { digest } = await ownImage(scene, "develop", Math.floor(Date.now() / 1000) + 60);
    try {
      // Develop takes it, as it may: then the automation has looked at this image, and production's runs at the same times.
      await waitUntil(
        async () => {
          const seen = await overlayOnMain(scene, "develop");
          return seen.includes(digest) ? { done: true, value: undefined } : { done: false, because: seen };
        },
        { what: "image automation to write develop's image", timeoutSeconds: 90, intervalMs: 1000, remedy: "" },
      );
      const seen = await overlayOnMain(scene, "production");
      if (seen.includes(digest)) scene.accepted = seen;
      return `${words}; production: ${/digest: \S+/.exec(seen)?.[0]}`;
    } finally {
      await takeBack(scene, tip);
    }
  },
  proof: wasAccepted,
};
