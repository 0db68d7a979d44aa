import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { succeeded } from "../../support/succeeded.ts";
import { digestOf, Registry } from "./images.ts";
import type { Scene } from "./scene.ts";

export const overlay = (environment: string) => `flux/apps/backend/${environment}/kustomization.yaml`;

export interface Image {
  readonly tag: string;
  readonly digest: string;
}

/**
 * An image that no pipeline built: production's with another label.
 *
 * @param time in the tag; the policies pick the newest, so with the one given here none picks it
 */
export async function ownImage(scene: Scene, family = "develop", time = 1_000_000_000): Promise<Image> {
  const registry = new Registry(scene);
  const { name, scope } = registry.own;
  const text = await readFile(join(await scene.ground.clone("ada", `${scene.id}-image`), overlay("production")), "utf8");
  const [, present = ""] = /digest: (\S+)/.exec(text) ?? [];
  const found = (await registry.send("GET", `/v2/${name}/manifests/${present}`, [scope])).text;
  const manifest = JSON.parse(found) as { config: { digest: string; size: number } };
  const config = JSON.parse((await registry.send("GET", `/v2/${name}/blobs/${manifest.config.digest}`, [scope])).text) as {
    config: { Labels: object };
  };
  const labels = { ...config.config.Labels, "org.example.by": scene.id };
  const changed = Buffer.from(JSON.stringify({ ...config, config: { ...config.config, Labels: labels } }));
  const blob = await registry.blob(changed);
  const own = JSON.stringify({ ...manifest, config: { ...manifest.config, digest: blob.digest, size: changed.length } });
  const tag = `${family}-v0.0.1-abcdef0-${time}`;
  const answer = await registry.manifest(tag, own);
  if (answer.status !== 201) throw new Error(`the image was not taken: ${answer.status} ${answer.text}`);
  return { tag, digest: digestOf(own) };
}

/** Puts main's files back to what they were at a commit. */
export async function takeBack({ id, ground }: Scene, tip: string): Promise<void> {
  const folder = await ground.clone("ada", `${id}-back`);
  succeeded(await ground.git("ada", folder, "read-tree", "-u", "--reset", tip));
  await ground.git("ada", folder, "commit", "--quiet", "--message", "Take back");
  await ground.git("ada", folder, "push", "--quiet", "origin", "HEAD:main");
}
