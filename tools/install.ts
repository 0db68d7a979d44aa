import { chmod, mkdir, mkdtemp, readdir, rename, rm, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ExitCode, LabError } from "../shared/errors.ts";
import { cacheHome } from "../shared/paths.ts";
import { build, copyAsset } from "./build.ts";
import { requireCheckout } from "./checkout.ts";
import { download } from "./download.ts";
import { withInstallLock } from "./install-lock.ts";
import { pluginChoice, tryOfficialPlugin, type StandInName } from "./plugin-choice.ts";
import { hasNodePackages, nodePackagesFolder, unpackNodePackages } from "./node-packages.ts";
import { assetFolder, gitHttpBackend, installFolder, isInstalledAsset, locate } from "./locate.ts";
import { assetManifest, assetNames } from "./assets.ts";
import { manifest, toolNames } from "./manifest.ts";
import type { Arch, Purpose, Tool } from "./tool.ts";
import type { Step } from "./progress.ts";
import { noteSizes } from "./sizes.ts";

export interface SetupOptions {
  /** Called whenever an installation takes a new turn; not called for what is there already. */
  readonly onProgress?: (step: Step) => void;
  readonly env?: NodeJS.ProcessEnv;
  /** What the cohort needs besides what every one does. */
  readonly purposes?: ReadonlySet<Purpose>;
  /** Pulumi's plugins to try to install; default: the one that every cohort needs. */
  readonly plugins?: readonly StandInName[];
}

/** Something the cache holds once it is installed. */
interface Item {
  readonly what: string;
  readonly folder: string;
  readonly isThere: () => Promise<boolean>;
  /** Fills the folder. */
  readonly bring: (folder: string, say: (activity: string) => void) => Promise<void>;
}

/**
 * Installs every tool that is neither on PATH nor in the cache, and the assets. Safe to repeat, to run twice at once
 * and to kill. Throws LabError: `checkout-damaged`, `tool-missing` (Git), `disk-full`, or as download and build do.
 */
export async function setupTools({
  onProgress = () => {},
  env = process.env,
  purposes = new Set(),
  plugins = ["kubernetes"],
}: SetupOptions = {}): Promise<void> {
  requireCheckout();
  await gitHttpBackend(env);
  await mkdir(cacheHome(env), { recursive: true });
  const items = [...toolItems(env, purposes), ...assetItems(env, purposes), ...(purposes.has("real-nodes") ? [nodePackagesItem(env)] : [])];
  const total = items.length + plugins.length;
  const reporter = (index: number, what: string) => (activity: string) => onProgress({ index, total, what, activity });
  for (const [i, item] of items.entries()) await install(item, reporter(i + 1, item.what));
  for (const [i, name] of plugins.entries()) {
    await tryOfficialPlugin(name, reporter(items.length + i + 1, `pulumi-resource-${name} ${pluginChoice(name, env).version}`), env);
  }
}

function toolItems(env: NodeJS.ProcessEnv, purposes: ReadonlySet<Purpose>): Item[] {
  return toolNames
    .filter((name) => manifest[name].build && isNeeded(manifest[name], purposes))
    .map((name) => ({
      what: `${name} ${manifest[name].version}`,
      folder: installFolder(name, env),
      isThere: async () => (await locate(name, env)) !== undefined,
      bring: async (folder, say) => {
        const origin = await bringTool(name, manifest[name], folder, say, env);
        await writeFile(join(folder, "origin"), `${origin}\n`);
      },
    }));
}

const isNeeded = ({ onlyFor }: Pick<Tool, "onlyFor">, purposes: ReadonlySet<Purpose>) => onlyFor === undefined || purposes.has(onlyFor);

function assetItems(env: NodeJS.ProcessEnv, purposes: ReadonlySet<Purpose>): Item[] {
  return assetNames
    .filter((name) => isNeeded(assetManifest[name], purposes))
    .map((name) => ({
      what: name,
      folder: assetFolder(name, env),
      isThere: () => isInstalledAsset(name, env),
      bring: async (folder, say) => {
        say("copying from their modules");
        await copyAsset(name, assetManifest[name], folder, env);
      },
    }));
}

function nodePackagesItem(env: NodeJS.ProcessEnv): Item {
  return {
    what: "container runtime",
    folder: nodePackagesFolder(env),
    isThere: () => hasNodePackages(env),
    bring: async (folder, say) => {
      say("unpacking the system's packages");
      await unpackNodePackages(folder);
    },
  };
}

/** Everything is put together in a folder beside, and becomes visible in one rename. */
async function install(item: Item, say: (activity: string) => void): Promise<void> {
  if (await item.isThere()) return;
  const parent = dirname(item.folder);
  await withInstallLock(
    parent,
    () => say("waiting for another ./lab setup"),
    async () => {
      if (await item.isThere()) return;
      await sweep(parent);
      const staging = await mkdtemp(join(parent, stagingPrefix));
      try {
        await item.bring(staging, say);
        await noteSizes(staging);
        // As everything in the cache: another account may use it, too.
        await chmod(staging, 0o755);
        await rm(item.folder, { recursive: true, force: true });
        await rename(staging, item.folder);
      } finally {
        await rm(staging, { recursive: true, force: true });
      }
      say("installed");
    },
  );
}

const stagingPrefix = ".staging-";

/** What killed runs left; whoever holds the lock is the only one to have such a folder. */
async function sweep(parent: string): Promise<void> {
  const leftovers = (await readdir(parent)).filter((name) => name.startsWith(stagingPrefix));
  for (const name of leftovers) await rm(join(parent, name), { recursive: true, force: true });
}

/** Downloads the tool's release, or builds the tool where there is none to be had. Returns in a line where it came from. */
export async function bringTool(
  name: string,
  tool: Tool,
  folder: string,
  say: (activity: string) => void,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const release = tool.downloads?.[process.arch === "x64" ? "amd64" : (process.arch as Arch)];
  if (release && process.platform === "linux") {
    say("downloading");
    if (await download(release, name, folder)) return `downloaded from ${release.url}`;
  }
  if (!tool.build) throw new Error(`${name} can neither be downloaded nor built`);
  const { bavail, bsize } = await statfs(folder);
  requireSpace(bavail * bsize, cacheHome(env));
  say("building from source");
  await build(name, tool.build, folder, env);
  await removeAllBut(name, folder);
  return `built from ${tool.build.package}`;
}

async function removeAllBut(name: string, folder: string): Promise<void> {
  for (const other of await readdir(folder)) {
    if (other !== name) await rm(join(folder, other), { recursive: true });
  }
}

const gib = 1024 ** 3;

/**
 * Sources, compiled packages and programs of all tools take about 12 GiB, those of one up to 3 GiB; asked before each
 * build. Throws LabError `disk-full`.
 */
export function requireSpace(freeBytes: number, folder: string): void {
  if (freeBytes >= 5 * gib) return;
  throw new LabError(
    "disk-full",
    `Building a tool from source needs 5 GiB of free disk (all together up to 12 GiB), and ${folder} has ${(freeBytes / gib).toFixed(1)} GiB. Make room, then run ./lab setup`,
    { exitCode: ExitCode.badInput },
  );
}
