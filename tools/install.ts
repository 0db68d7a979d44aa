import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheHome } from "../shared/paths.ts";
import { requireCheckout } from "./checkout.ts";
import { newMeter } from "./fetch/meter.ts";
import { clearStore } from "./fetch/store.ts";
import type { Fetching } from "./fetch/transfer.ts";
import { withInstallLock } from "./install-lock.ts";
import { fetchModules, itemsFor, noteItemSizes, type Item } from "./items.ts";
import { inLanes, type Attempt } from "./lanes.ts";
import { pluginChoice, tryOfficialPlugin, type StandInName } from "./plugin-choice.ts";
import { gitHttpBackend } from "./locate.ts";
import { manifest, type ToolName } from "./manifest.ts";
import type { Step } from "./progress.ts";
import type { Purpose, Tool } from "./tool.ts";

export interface SetupOptions {
  /** Called whenever an installation takes a new turn; not called for what is there already. */
  readonly onProgress?: (step: Step) => void;
  readonly env?: NodeJS.ProcessEnv;
  /** What the cohort needs besides what every one does. */
  readonly purposes?: ReadonlySet<Purpose>;
  /** Pulumi's plugins to try to install; default: the one that every cohort needs. */
  readonly plugins?: readonly StandInName[];
  /** Where the tools come from; default: where they are published. */
  readonly tools?: Readonly<Record<ToolName, Tool>>;
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
  tools = manifest,
}: SetupOptions = {}): Promise<void> {
  requireCheckout();
  await gitHttpBackend(env);
  await mkdir(cacheHome(env), { recursive: true });
  const items = itemsFor(tools, purposes, env);
  const stopping = new AbortController();
  const fetching: Fetching = { store: join(cacheHome(env), "downloads"), used: new Set(), meter: newMeter(), signal: stopping.signal };
  const total = items.length + plugins.length;
  const underWay = new Map<number, Step>();
  const reporter = (index: number, what: string) => (activity: string) => {
    const step = { index, total, what, activity, transferred: fetching.meter.read };
    if (activity === installed) underWay.delete(index);
    else underWay.set(index, step);
    onProgress(step);
  };
  // For who shows a step as it was when it began.
  const often = setInterval(() => {
    const step = [...underWay.values()].at(-1);
    if (step && fetching.meter.read()) onProgress(step);
  }, 10_000).unref();

  const missing = await Promise.all(items.map(async (item) => item.after.length > 0 || !(await item.isThere())));
  const wanted = items.filter((_, index) => missing[index]);
  const announced = Promise.all(wanted.map((item) => item.announce?.(fetching).catch(() => {})));
  const goIsHere = Promise.withResolvers<void>();
  const attempt: Attempt = async (item, way) => {
    const report = reporter(items.indexOf(item) + 1, item.what);
    const say = (activity: string) => {
      if (item.name === "go" && activity !== "downloading") goIsHere.resolve();
      report(activity);
    };
    return install(item, way, say, fetching).finally(() => item.name === "go" && goIsHere.resolve());
  };
  const toBeMade = (all: readonly Item[]) => void fetchModules(all, env, stopping.signal);
  try {
    await inLanes(wanted, attempt, { stop: () => stopping.abort(), goIsHere: goIsHere.promise, toBeMade });
    await announced;
  } finally {
    clearInterval(often);
    stopping.abort();
  }
  await clearStore(fetching.store, fetching.used);
  for (const [i, name] of plugins.entries()) {
    await tryOfficialPlugin(name, reporter(items.length + i + 1, `pulumi-resource-${name} ${pluginChoice(name, env).version}`), env);
  }
}

/**
 * Everything is put together in a folder beside, and becomes visible in one rename. False where it can't be had that way.
 */
async function install(item: Item, way: "fetch" | "make", say: (activity: string) => void, fetching: Fetching): Promise<boolean> {
  if (await item.isThere()) return true;
  const parent = dirname(item.folder);
  return withInstallLock(
    parent,
    () => say("waiting for another ./lab setup"),
    async () => {
      if (await item.isThere()) return true;
      await sweep(parent);
      const staging = await mkdtemp(join(parent, stagingPrefix));
      try {
        if (way === "make") await item.make?.(staging, say);
        else if (!(await item.fetch?.(staging, say, fetching))) return false;
        await noteItemSizes(item, staging);
        // As everything in the cache: another account may use it, too.
        await chmod(staging, 0o755);
        await rm(item.folder, { recursive: true, force: true });
        await rename(staging, item.folder);
      } finally {
        await rm(staging, { recursive: true, force: true });
      }
      say(installed);
      return true;
    },
  );
}

const installed = "installed";

const stagingPrefix = ".staging-";

/** What killed runs left; whoever holds the lock is the only one to have such a folder. */
async function sweep(parent: string): Promise<void> {
  const leftovers = (await readdir(parent)).filter((name) => name.startsWith(stagingPrefix));
  for (const name of leftovers) await rm(join(parent, name), { recursive: true, force: true });
}
