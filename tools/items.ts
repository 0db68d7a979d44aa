import { statfs, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheHome } from "../shared/paths.ts";
import { assetManifest, assetNames } from "./assets.ts";
import { build, copyAsset, fetchPackages } from "./build.ts";
import { archHere, download, originOf } from "./download.ts";
import { imageLayers, likelyLayers } from "./fetch/image-file.ts";
import { moduleProxies, moduleZip } from "./fetch/module-proxy.ts";
import { nameOf } from "./fetch/store.ts";
import { modulesOf, takeAsset } from "./fetch/take-module.ts";
import { lengthOf, type Fetching } from "./fetch/transfer.ts";
import { requireSpace } from "./free-space.ts";
import { hasNodePackages, nodePackagesFolder, unpackNodePackages } from "./node-packages.ts";
import { assetFolder, installFolder, isInstalledAsset, locate } from "./locate.ts";
import { toolNames, type ToolName } from "./manifest.ts";
import { noteSizes } from "./sizes.ts";
import { purposes as words, type Download, type GoBuild, type Purpose, type Tool } from "./tool.ts";

type Say = (activity: string) => void;

/** Something the cache holds once it is installed. */
export interface Item {
  readonly name: string;
  /** Name and version. */
  readonly what: string;
  readonly folder: string;
  readonly isThere: () => Promise<boolean>;
  /** Names of those that have to be there, or not to be had, before it is looked at. */
  readonly after: readonly string[];
  /** Fills the folder with what others publish; false where that can't be had from here. */
  readonly fetch?: (folder: string, say: Say, fetching: Fetching) => Promise<boolean>;
  /** What `make` builds, where that is its way. */
  readonly build?: GoBuild;
  /** Fills the folder with what is made here. */
  readonly make?: (folder: string, say: Say) => Promise<void>;
  /** Tells the meter how much `fetch` will bring. */
  readonly announce?: (fetching: Fetching) => Promise<void>;
}

/** What a cohort of these purposes needs, in the order of installation. */
export function itemsFor(tools: Readonly<Record<ToolName, Tool>>, purposes: ReadonlySet<Purpose>, env: NodeJS.ProcessEnv): readonly Item[] {
  const isNeeded = ({ onlyFor }: Pick<Tool, "onlyFor">) => onlyFor === undefined || purposes.has(onlyFor);
  return [
    ...toolNames
      .filter((name) => isNeeded(tools[name]) && (tools[name].build || tools[name].downloads))
      .map((name) => toolItem(name, tools[name], env)),
    ...assetNames.filter((name) => isNeeded(assetManifest[name])).map((name) => assetItem(name, env)),
    ...(purposes.has(words.realPods) ? [nodePackagesItem(env)] : []),
  ];
}

function toolItem(name: ToolName, tool: Tool, env: NodeJS.ProcessEnv): Item {
  const releases = releasesOf(tool);
  const noteOrigin = (folder: string, origin: string) => writeFile(join(folder, "origin"), `${origin}\n`);
  return {
    name,
    what: `${name} ${tool.version}`,
    folder: installFolder(name, env),
    isThere: async () => (await locate(name, env)) !== undefined,
    // One that comes with another is known when that is there.
    after: tool.companionOf ? [tool.companionOf] : [],
    ...(releases.length > 0 && {
      async fetch(folder, say, fetching) {
        say("downloading");
        const origin = await fetchTool(name, tool, folder, fetching, env, say);
        if (origin !== undefined) await noteOrigin(folder, origin);
        return origin !== undefined;
      },
      announce: (fetching) => announce(releases[0]!, name, fetching, env),
    }),
    ...(tool.build && {
      build: tool.build,
      make: async (folder, say) => noteOrigin(folder, await makeTool(name, tool, folder, say, env)),
    }),
  };
}

const releasesOf = (tool: Tool): readonly Download[] => {
  const arch = archHere();
  return (arch && tool.downloads?.[arch]) ?? [];
};

/** Has Go fetch the modules of all that is to be built, while the first of it is compiled. What fails here fails again, and is told, there. */
export async function fetchModules(items: readonly Item[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const families = Map.groupBy(
    items.flatMap((item) => item.build ?? []),
    ({ module }) => module,
  );
  for (const [module, builds] of families) {
    if (builds.length > 1)
      await fetchPackages(
        builds.map((one) => one.package),
        module,
        env,
        signal,
      );
  }
}

/** Downloads a tool's release from the first place that has it. Says in a line where it came from; undefined where none has it. */
export async function fetchTool(
  name: string,
  tool: Tool,
  folder: string,
  fetching: Fetching,
  env: NodeJS.ProcessEnv,
  say: Say = () => {},
): Promise<string | undefined> {
  for (const release of releasesOf(tool)) {
    if (await download(release, name, folder, fetching, env, say)) return `downloaded from ${originOf(release)}`;
  }
  return undefined;
}

/** Builds a tool. Says in a line what of. */
export async function makeTool(name: string, tool: Tool, folder: string, say: Say, env: NodeJS.ProcessEnv): Promise<string> {
  if (!tool.build) throw new Error(`${name} can't be built`);
  const { bavail, bsize } = await statfs(folder);
  requireSpace(bavail * bsize, cacheHome(env));
  say("building from source");
  await build(name, tool.build, folder, env);
  for (const other of await readdir(folder)) {
    if (other !== name) await rm(join(folder, other), { recursive: true });
  }
  return `built from ${tool.build.package}`;
}

async function announce(release: Download, what: string, fetching: Fetching, env: NodeJS.ProcessEnv): Promise<void> {
  if ("image" in release) {
    const image = await imageLayers(release, archHere()!, what, fetching);
    for (const { digest, size } of likelyLayers(image?.layers ?? [])) fetching.meter.expect(nameOf(digest.slice("sha256:".length)), size);
    return;
  }
  if ("url" in release) return announceFile(release.url, release.sha256, fetching);
  const { version, sum } = release.goToolchain;
  const [proxy] = moduleProxies(env);
  if (proxy) await announceFile(moduleZip(proxy, { module: "golang.org/toolchain", version, sum }).url, sum, fetching);
}

async function announceFile(url: string, digest: string, fetching: Fetching): Promise<void> {
  const bytes = await lengthOf(url, fetching);
  if (bytes !== undefined) fetching.meter.expect(nameOf(digest), bytes);
}

function assetItem(name: (typeof assetNames)[number], env: NodeJS.ProcessEnv): Item {
  const asset = assetManifest[name];
  return {
    name,
    what: name,
    folder: assetFolder(name, env),
    isThere: () => isInstalledAsset(name, env),
    after: [],
    async fetch(folder, say, fetching) {
      say("downloading");
      return takeAsset(asset, folder, env, fetching);
    },
    async make(folder, say) {
      say("copying from their modules");
      await copyAsset(name, asset, folder, env);
    },
    async announce(fetching) {
      const [proxy] = moduleProxies(env);
      if (proxy) await Promise.all(modulesOf(asset).map((module) => announceFile(moduleZip(proxy, module).url, module.sum, fetching)));
    },
  };
}

function nodePackagesItem(env: NodeJS.ProcessEnv): Item {
  return {
    name: "container runtime",
    what: "container runtime",
    folder: nodePackagesFolder(env),
    isThere: () => hasNodePackages(env),
    after: [],
    async fetch(folder, say) {
      say("unpacking the system's packages");
      await unpackNodePackages(folder);
      return true;
    },
  };
}

/** Notes the sizes of what was installed; of Go those of its programs, for there are ten thousand files. */
export const noteItemSizes = (item: Item, folder: string): Promise<void> => noteSizes(folder, item.name === "go" ? ["bin", "pkg"] : ["."]);
