import { rm } from "node:fs/promises";
import { join } from "node:path";
import { succeeded } from "../../support/succeeded.ts";
import type { Scene } from "./scene.ts";

let releases = 0;

/** A clone in which the app is as it was first, but under a version that was never built. Nothing is committed. */
export async function restartApp(scene: Scene): Promise<string> {
  const { ground } = scene;
  const folder = await ground.clone("ada", scene.id);
  const first = succeeded(await ground.git("ada", folder, "rev-list", "--max-parents=0", "HEAD")).stdout;
  await rm(join(folder, "app"), { recursive: true });
  succeeded(await ground.git("ada", folder, "checkout", "--quiet", first, "--", "app"));
  await ground.write(folder, { "app/VERSION": `1.${++releases}.0\n` });
  return folder;
}
