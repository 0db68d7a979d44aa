import { appendFile, mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { assetFolder, installFolder, isInstalledAsset, locate } from "../../tools/locate.ts";
import { noteSizes } from "../../tools/sizes.ts";
import { useFolders } from "../support/tool-folders.ts";

const newFolder = useFolders();

/** A machine that has nothing but a crane and some CRDs in its cache. */
async function machine() {
  const env = { XDG_CACHE_HOME: await newFolder(), PATH: await newFolder() };
  const [folder, asset] = [installFolder("crane", env), assetFolder("flux-crds", env)];
  const files = { program: join(folder, "crane"), crds: join(asset, "deep", "crds.yaml") };
  for (const file of Object.values(files)) {
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, "#!/bin/sh\necho crane\n", { mode: 0o755 });
  }
  let looks = 0;
  const isThere = async () => {
    // A process remembers what it has found on one PATH.
    looks += 1;
    return [
      (await locate("crane", { ...env, PATH: `${env.PATH}:/nowhere/${looks}` })) !== undefined,
      await isInstalledAsset("flux-crds", env),
    ];
  };
  return {
    env,
    folder,
    asset,
    files,
    isThere,
  };
}

describe("what is installed", () => {
  test("is there as an earlier version left it, which noted no sizes", async () => {
    expect(await (await machine()).isThere()).toEqual([true, true]);
  });

  test.each([
    ["cut off", (file: string) => truncate(file, 5)],
    ["empty", (file: string) => truncate(file, 0)],
    ["longer", (file: string) => appendFile(file, "more")],
  ])("is not there where a file of it is %s, so that it is installed anew", async (_name, hurt) => {
    const { folder, asset, files, isThere } = await machine();
    for (const one of [folder, asset]) await noteSizes(one);
    expect(await isThere()).toEqual([true, true]);
    for (const file of Object.values(files)) await hurt(file);
    expect(await isThere()).toEqual([false, false]);
  });

  test("is not there where the note of its sizes is cut off", async () => {
    const { folder, asset, isThere } = await machine();
    for (const one of [folder, asset]) {
      await noteSizes(one);
      await truncate(join(one, "sizes.json"), 3);
    }
    expect(await isThere()).toEqual([false, false]);
  });
});
