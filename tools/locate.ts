import { constants, existsSync } from "node:fs";
import { access, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ExitCode, LabError } from "../shared/errors.ts";
import { childEnvironment, programFolders } from "../shared/environment.ts";
import { run } from "../shared/exec.ts";
import { cacheHome } from "../shared/paths.ts";
import { readIfExists } from "../shared/private-files.ts";
import { assetManifest, type AssetName } from "./assets.ts";
import { isBrought, manifest, type ToolName } from "./manifest.ts";
import { installHint } from "./package-manager.ts";
import { programVersion } from "./program-version.ts";
import { hasNotedSizes } from "./sizes.ts";

export type { AssetName } from "./assets.ts";
export type { ToolName } from "./manifest.ts";

/** Where a tool was found, and how it came there. */
export interface Located {
  readonly path: string;
  readonly origin: "path" | "downloaded" | "built";
}

/** A program of the tool's name on PATH, whether its version fits or not. */
export interface Candidate {
  readonly path: string;
  /** Without `v`; undefined when the program gives none. */
  readonly version: string | undefined;
  readonly fits: boolean;
}

const located = new Map<string, Promise<Located | undefined>>();

/**
 * Absolute path of a tool: the first on PATH whose version fits, else the installed one. Remembered for the life of
 * the process. Throws LabError `tool-missing`.
 */
export async function toolPath(name: ToolName, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const found = await locate(name, env);
  if (found) return found.path;
  const { version } = manifest[name];
  throw new LabError(
    "tool-missing",
    isBrought(name)
      ? `${name} ${version} is neither on PATH nor installed. \`./lab setup\` installs it.`
      : `${name} ${version} or newer is not on PATH. ${installHint(name)}, then run \`./lab setup\`.`,
    { exitCode: ExitCode.badInput },
  );
}

/** As toolPath, undefined when there is none. */
export async function locate(name: ToolName, env: NodeJS.ProcessEnv = process.env): Promise<Located | undefined> {
  const key = [name, env["PATH"], cacheHome(env)].join("\n");
  const looking = located.get(key) ?? look(name, env);
  located.set(key, looking);
  const found = await looking.catch(() => undefined);
  // What is missing now may be installed later.
  if (!found) located.delete(key);
  return looking;
}

async function look(name: ToolName, env: NodeJS.ProcessEnv): Promise<Located | undefined> {
  const { companionOf } = manifest[name];
  const companion = companionOf && (await locate(companionOf, env));
  if (companion) {
    const path = join(dirname(companion.path), name);
    if (await isProgram(path)) return { path, origin: companion.origin };
  }
  for await (const { path, fits } of candidates(name, env)) {
    if (fits) return { path, origin: "path" };
  }
  return installed(name, env);
}

/** The programs of that name on PATH, in its order. */
export async function* candidates(name: ToolName, env: NodeJS.ProcessEnv = process.env): AsyncGenerator<Candidate> {
  const { probe, fits } = manifest[name];
  if (!probe) return;
  for (const folder of new Set(programFolders(env))) {
    const path = join(folder, name);
    if (!(await isProgram(path))) continue;
    const version = await programVersion(path, probe, env);
    yield { path, version, fits: version !== undefined && fits(version) };
  }
}

/** Folder of an installed tool; it holds the program and `origin`, which says in a line how it came there. */
export function installFolder(name: ToolName, env: NodeJS.ProcessEnv = process.env): string {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  return join(cacheHome(env), "tools", name, `${manifest[name].version}-${process.platform}-${arch}`);
}

async function installed(name: ToolName, env: NodeJS.ProcessEnv): Promise<Located | undefined> {
  const folder = installFolder(name, env);
  const path = join(folder, name);
  if (!(await isProgram(path)) || !(await hasNotedSizes(folder))) return undefined;
  const origin = await readIfExists(join(folder, "origin"));
  return { path, origin: origin?.startsWith("downloaded") ? "downloaded" : "built" };
}

/** Folder of an installed asset. Throws LabError `tool-missing`. */
export async function assetPath(name: AssetName, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const folder = assetFolder(name, env);
  if (await isInstalledAsset(name, env)) return folder;
  throw assetMissing(name);
}

/** As assetPath, for who can't wait. */
export function requireAsset(name: AssetName, env: NodeJS.ProcessEnv = process.env): string {
  const folder = assetFolder(name, env);
  if (existsSync(folder)) return folder;
  throw assetMissing(name);
}

export function assetFolder(name: AssetName, env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheHome(env), "assets", name, assetManifest[name].version);
}

export async function isInstalledAsset(name: AssetName, env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const folder = assetFolder(name, env);
  return (await readdir(folder).catch(() => [])).length > 0 && (await hasNotedSizes(folder));
}

function assetMissing(name: AssetName): LabError {
  return new LabError("tool-missing", `${name} ${assetManifest[name].version} are not installed. Run ./lab setup`, {
    exitCode: ExitCode.badInput,
  });
}

/** Git's CGI program that serves repositories over HTTP. Throws LabError `tool-missing` where Git came without it. */
export async function gitHttpBackend(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const git = await toolPath("git", env);
  const { stdout } = await run(git, ["--exec-path"], { env: childEnvironment("git", {}, env) });
  const path = join(stdout, "git-http-backend");
  if (await isProgram(path)) return path;
  throw new LabError(
    "tool-missing",
    `${git} came without ${path}, which serves the learners' repositories. ${installHint("git")}, then run ./lab setup`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}

/** Whether the path is a file that may be executed. */
export async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
