import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Asset, GoToolchain } from "../tool.ts";
import { pinnedModule } from "../module-pin.ts";
import { moduleProxies, moduleZip } from "./module-proxy.ts";
import { zipEntries, type ZipEntry } from "./module-zip.ts";
import { withFile } from "./store.ts";
import type { Fetching } from "./transfer.ts";

interface PinnedModule {
  readonly module: string;
  readonly version: string;
  readonly sum: string;
}

/** Does something with the files of a module, by their paths in it. Undefined where no proxy has it. Throws LabError `tool-digest`. */
async function withModule<T>(
  pinned: PinnedModule,
  env: NodeJS.ProcessEnv,
  fetching: Fetching,
  use: (files: readonly ZipEntry[]) => Promise<T>,
): Promise<T | undefined> {
  const root = `${pinned.module}@${pinned.version}/`;
  for (const proxy of moduleProxies(env)) {
    const result = await withFile(moduleZip(proxy, pinned), fetching, async (file) =>
      use((await zipEntries(file)).map(({ name, read }) => ({ name: pathIn(root, name), read }))),
    );
    if (result !== undefined) return result;
  }
  return undefined;
}

function pathIn(root: string, name: string): string {
  const path = name.slice(root.length);
  if (!name.startsWith(root) || /[\\\0]/.test(path) || path.split("/").some((part) => ["", ".", ".."].includes(part)))
    throw new Error(`a file outside of its module: ${JSON.stringify(name)}`);
  return path;
}

/** Where the files of an asset come from. */
export function modulesOf(asset: Asset): readonly PinnedModule[] {
  return asset.modules.map((module) => ({ module, ...pinnedModule(module, asset.module) }));
}

/** Takes an asset's files out of their modules into the folder. False where a module can't be had. Throws LabError `tool-digest`. */
export async function takeAsset(asset: Asset, folder: string, env: NodeJS.ProcessEnv, fetching: Fetching): Promise<boolean> {
  for (const pinned of modulesOf(asset)) {
    const taken = await withModule(pinned, env, fetching, async (files) => {
      for (const { name, read } of files) {
        const path = assetPathOf(asset, pinned.module, name);
        if (path === undefined) continue;
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), await read());
      }
      return true;
    });
    if (!taken) return false;
  }
  return true;
}

/** Where in an asset's folder a file of a module belongs; undefined where it is none of it. */
function assetPathOf(asset: Asset, module: string, name: string): string | undefined {
  if (!name.startsWith(`${asset.folder}/`)) return undefined;
  const path = name.slice(asset.folder.length + 1);
  if (asset.whole) return path;
  if (path.includes("/") || !path.endsWith(".yaml")) return undefined;
  return asset.prefixed ? `${basename(module)}-${path}` : path;
}

/** What nobody needs who builds with it: a third of the bytes. */
const unneeded = /^(test|api|doc|misc)\/|(^|\/)testdata\/|_test\.go$/;

/**
 * Takes a Go toolchain into the folder, as the go command itself does with this module: what it runs may be executed, and each
 * `_go.mod`, by which a module can hold others, has its own name. Besides there is a link `go` to its program.
 */
export async function takeToolchain(
  toolchain: GoToolchain,
  folder: string,
  env: NodeJS.ProcessEnv,
  fetching: Fetching,
  say: (activity: string) => void,
): Promise<boolean> {
  const taken = await withModule({ module: "golang.org/toolchain", ...toolchain.goToolchain }, env, fetching, async (files) => {
    say("unpacking");
    const folders = new Set<string>();
    const write = async ({ name, read }: ZipEntry) => {
      const path = join(folder, dirname(name), basename(name) === "_go.mod" ? "go.mod" : basename(name));
      if (!folders.has(dirname(path))) await mkdir(dirname(path), { recursive: true });
      folders.add(dirname(path));
      await writeFile(path, await read(), { mode: /^(bin|pkg\/tool)\//.test(name) ? 0o755 : 0o644 });
    };
    const left = files.filter(({ name }) => !unneeded.test(name)).values();
    const several = Array.from({ length: 16 }, async () => {
      for (const file of left) await write(file);
    });
    await Promise.all(several);
    await chmod(folder, 0o755);
    await symlink(join("bin", "go"), join(folder, "go"));
    return true;
  });
  return taken ?? false;
}
