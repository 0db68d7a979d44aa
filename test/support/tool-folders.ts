import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterEach } from "vitest";
import { assetFolder, installFolder, isProgram } from "../../tools/locate.ts";
import { openFolder } from "./open-folder.ts";
import { assetNames } from "../../tools/assets.ts";
import { toolNames, type ToolName } from "../../tools/manifest.ts";

/** Gives each test folders of its own, removed afterwards. */
export function useFolders(): () => Promise<string> {
  const folders: string[] = [];
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
  });
  return async () => {
    const folder = openFolder("gitops-lab-tools-");
    folders.push(folder);
    return folder;
  };
}

/** Writes an executable shell script and returns its path. */
export async function program(folder: string, name: string, script: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

/** Makes a cache in which everything but the tools named counts as installed. */
export async function fillCache(env: NodeJS.ProcessEnv, except: readonly ToolName[] = []): Promise<void> {
  for (const name of toolNames) {
    if (!except.includes(name)) await program(installFolder(name, env), name, "exit 1");
  }
  for (const name of assetNames) {
    await mkdir(assetFolder(name, env), { recursive: true });
    await writeFile(join(assetFolder(name, env), "stands-for-all.yaml"), "");
  }
}

/** Links the real programs, as far as this machine has them, into a folder that can be a whole PATH. */
export async function linkPrograms(folder: string, names: readonly string[]): Promise<string> {
  for (const name of names) {
    for (const from of process.env["PATH"]?.split(delimiter) ?? []) {
      if (!(await isProgram(join(from, name)))) continue;
      await symlink(join(from, name), join(folder, name));
      break;
    }
  }
  return folder;
}
