import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ExitCode, LabError } from "../shared/errors.ts";
import { run } from "../shared/exec.ts";
import { goEnvironment, goProgram } from "./go-settings.ts";
import { moduleRoot } from "./module-pin.ts";
import type { Asset, GoBuild } from "./tool.ts";

/**
 * Builds a program from its Go module into the folder. Go checks every module it fetches against the committed go.sum.
 * Throws LabError `go-missing`, `tool-network` or `tool-build`.
 */
export async function build(name: string, source: GoBuild, folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const modfile = source.placeholder && (await moduleWithPlaceholder(name, source, source.placeholder, folder, env));
  // Nobody debugs these programs, and what is not compiled need not be stripped.
  const flags = ["-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", `-s -w ${source.ldflags ?? ""}`.trim()];
  if (modfile) flags.push("-modfile", modfile);
  await go(name, ["build", ...flags, "-o", join(folder, name), source.package], source.module, env);
}

/** Has Go fetch the modules that these packages of a family are in; nothing is compiled. Never throws. */
export async function fetchPackages(
  packages: readonly string[],
  module: GoBuild["module"],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  await run(await goProgram(env), ["list", "-mod=readonly", "-deps", "-e", ...packages], {
    cwd: moduleRoot(module),
    env: await goEnvironment(env, noC),
    reject: false,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    cancelSignal: signal,
  });
}

/** Copies the asset's files out of their Go modules into the folder. Throws as build does. */
export async function copyAsset(name: string, asset: Asset, folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  for (const module of asset.modules) {
    const from = join(await moduleFolder(name, module, asset.module, env), asset.folder);
    if (asset.whole) {
      await copyTree(from, folder);
      continue;
    }
    const files = (await readdir(from)).filter((file) => file.endsWith(".yaml"));
    for (const file of files) await copyFile(join(from, file), join(folder, asset.prefixed ? `${basename(module)}-${file}` : file));
  }
}

/**
 * A package that embeds files its published module lacks does not compile, and Go takes no overlay of its module cache:
 * so a copy of the module gets the placeholder, and a copy of go.mod points there. Returns that go.mod.
 */
async function moduleWithPlaceholder(
  name: string,
  source: GoBuild,
  placeholder: { readonly module: string; readonly file: string },
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const copy = join(folder, "source");
  await copyTree(await moduleFolder(name, placeholder.module, source.module, env), copy);
  const file = join(copy, placeholder.file);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "# Stands where a release of the program has files of its own.\n");

  const original = moduleRoot(source.module);
  const modfile = join(folder, "go.mod");
  const replace = `\nreplace ${placeholder.module} => ${JSON.stringify(copy)}\n`;
  await writeFile(modfile, (await readFile(join(original, "go.mod"), "utf8")) + replace);
  await copyFile(join(original, "go.sum"), join(folder, "go.sum"));
  return modfile;
}

/** Files and folders only, writable: Go's module cache is read-only, so its modes are of no use in a copy. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyTree(source, target);
    else await writeFile(target, await readFile(source));
  }
}

/** Folder of a dependency in Go's module cache, at the version of our go.mod. */
async function moduleFolder(name: string, module: string, root: GoBuild["module"], env: NodeJS.ProcessEnv): Promise<string> {
  const { Dir } = JSON.parse(await go(name, ["mod", "download", "-json", module], root, env)) as { Dir: string };
  return Dir;
}

/**
 * As the official releases are built: they run where there is another C library, or none, and where some programs had C and others
 * none, all that they have in common would be compiled twice.
 */
const noC = { CGO_ENABLED: "0" };

/** Runs Go in the folder of one of our modules and returns its standard output. */
async function go(name: string, args: readonly string[], module: GoBuild["module"], env: NodeJS.ProcessEnv): Promise<string> {
  const result = await run(await goProgram(env), args, {
    cwd: moduleRoot(module),
    env: await goEnvironment(env, noC),
    reject: false,
    stdin: "ignore",
  });
  if (!result.failed) return result.stdout;
  if (result.code === "ENOENT") {
    throw new LabError(
      "go-missing",
      `${name} is built from source, there is no go on PATH, and the module proxy that has one can't be reached. Connect this machine to the internet, or install Go 1.26 or newer from https://go.dev/dl, then run ./lab setup`,
      { exitCode: ExitCode.badInput },
    );
  }
  throw goFailure(name, `${result.stderr}\n${result.stdout}`, result.shortMessage ?? "");
}

/** What Go says where a module can't be fetched. */
const networkTrouble = /(dial|read) tcp|TLS handshake|proxyconnect|module lookup disabled|: (403 Forbidden|404 Not Found|50\d )/;

export function goFailure(name: string, output: string, summary: string): LabError {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const trouble = lines.find((line) => networkTrouble.test(line));
  if (trouble) {
    return new LabError(
      "tool-network",
      `${name} is built from source, and Go could not fetch its modules: ${trouble.trim()}. ` +
        "Connect this machine to the internet, or set GOPROXY to a module proxy it reaches, then run ./lab setup",
    );
  }
  return new LabError("tool-build", `${name} could not be built: ${lines.slice(-3).join(" ") || summary}. Run ./lab setup to try again`);
}
