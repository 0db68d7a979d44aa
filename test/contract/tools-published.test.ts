import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { cacheHome } from "../../shared/paths.ts";
import { assetManifest, assetNames } from "../../tools/assets.ts";
import { copyAsset } from "../../tools/build.ts";
import { setupTools, type SetupOptions } from "../../tools/install.ts";
import { assetFolder, installFolder, locate } from "../../tools/locate.ts";
import { manifest, toolNames, type ToolName } from "../../tools/manifest.ts";
import { formatStep, type Step } from "../../tools/progress.ts";
import type { Tool } from "../../tools/tool.ts";
import { zip } from "../support/archives.ts";
import { publishAssetModules, publishTools } from "../support/published-tools.ts";
import { startReleaseHost, type ReleaseHost } from "../support/release-host.ts";
import { linkPrograms, useFolders } from "../support/tool-folders.ts";

/*
 * A machine with nothing but Git, and the hosts of all releases in reach: stand-ins of the programs, published in the forms in
 * which the manifest has them. The Go in it makes programs of nothing, so that the test is about who is asked for what.
 */

const newFolder = useFolders();
let host: ReleaseHost;
beforeEach(async () => void (host = await startReleaseHost()));
afterEach(() => host.close());

const saying = (name: string) => `#!/bin/sh\necho ${name}\n#${"-".repeat(200_000)}\n`;
/** Stands for Go: writes the program that it is asked to build. */
const go = `#!/bin/sh
if [ "$1" = env ]; then echo "{}"; exit; fi
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho built\\n' >"$2"
/bin/chmod 755 "$2"
`;
const isNeeded = ({ onlyFor }: Pick<Tool, "onlyFor">) => onlyFor === undefined;
const needed = toolNames.filter((name) => isNeeded(manifest[name]) && name !== "git");
const assets = assetNames.filter((name) => isNeeded(assetManifest[name]));
/** Our own, which nobody publishes. */
const own: readonly ToolName[] = ["lab-build", "lab-hook", "lab-render", "lab-room"];

async function machine() {
  const tools = await publishTools(
    host,
    async (name) => ({ [name]: saying(name), "pulumi-language-nodejs": saying("pulumi-language-nodejs") }),
    zip(Object.fromEntries(["bin/go", "pkg/tool/link"].map((file) => [`golang.org/toolchain@${toolchainVersion()}/${file}`, go]))),
    await newFolder(),
  );
  await publishAssetModules(host, assets);
  const env = {
    XDG_CACHE_HOME: await newFolder(),
    HOME: await newFolder(),
    PATH: await linkPrograms(await newFolder(), ["git"]),
    GOPROXY: `${host.origin}/proxy`,
  };
  const steps: Step[] = [];
  const options = { env, tools, plugins: [], onProgress: (step) => steps.push(step) } satisfies SetupOptions;
  return { env, tools, steps, options, setup: () => setupTools(options) };
}

const toolchainVersion = () => {
  const release = manifest.go.downloads?.amd64?.[0];
  const version = release && "goToolchain" in release ? release.goToolchain.version : "";
  return process.arch === "arm64" ? version.replace("amd64", "arm64") : version;
};

test("all that a cohort needs is installed where there is no Go, each from where it is published", async () => {
  const { env, steps, setup } = await machine();
  await setup();
  for (const name of needed) {
    const found = await locate(name, env);
    expect.soft(found?.origin, name).toBe(own.includes(name) ? "built" : "downloaded");
    if (name === "go") continue;
    expect.soft((await run(found!.path, [])).stdout, name).toBe(own.includes(name) ? "built" : name);
  }
  for (const name of assets) {
    const byGo = await newFolder();
    await copyAsset(name, assetManifest[name], byGo, process.env);
    expect.soft(await contents(assetFolder(name, env)), name).toEqual(await contents(byGo));
  }
  // Nothing is fetched twice, and nothing of it lies about.
  const fetched = host.requests.filter((one) => one.startsWith("GET ") && !one.includes("/manifests/"));
  expect(new Set(fetched).size).toBe(fetched.length);
  expect(await readdir(join(cacheHome(env), "downloads"))).toEqual([]);
  expect(steps.some(({ transferred }) => transferred !== undefined)).toBe(true);
  expect(steps.map((step) => formatStep(step, 0)).every((line) => /^\[\d+\/\d+\] [^:]+: [a-z ]+( \(.*\))?$/.test(line))).toBe(true);

  steps.length = 0;
  await setup();
  expect(steps).toEqual([]);
});

/** The files of a folder with what is in them, but for the note of their sizes. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => name !== "sizes.json");
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), "utf8")])));
}

test("what comes of the second place is taken where the first has nothing, and what comes of none is built", async () => {
  const { env, tools, options } = await machine();
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const gone = { url: `${host.origin}/gone`, sha256: "0".repeat(64) };
  const kwok = { ...tools.kwok, downloads: { [arch]: [gone, ...(tools.kwok.downloads?.[arch] ?? [])] } };
  const crane = { ...tools.crane, downloads: { [arch]: [gone] } };
  await setupTools({ ...options, tools: { ...tools, kwok, crane } });
  expect((await locate("kwok", env))?.origin).toBe("downloaded");
  expect((await locate("crane", env))?.origin).toBe("built");
});

test("a set-up that failed on one tool loses nothing of the others", async () => {
  const { env, tools, options } = await machine();
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const wrong = { url: host.file("/wrong", Buffer.from("something else")), sha256: "0".repeat(64) };
  const registry = { ...tools.registry, downloads: { [arch]: [wrong] } };
  await expect(setupTools({ ...options, tools: { ...tools, registry } })).rejects.toMatchObject({ code: "tool-digest" });
  expect(await locate("registry", env)).toBeUndefined();
  const before = host.requests.length;
  const there = await Promise.all(needed.map(async (name) => ((await locate(name, env)) ? [name] : [])));
  expect(there.flat().length).toBeGreaterThan(0);

  await setupTools(options);
  expect((await locate("registry", env))?.origin).toBe("downloaded");
  const again = host.requests.slice(before).filter((one) => one.startsWith("GET ") && !one.includes("/proxy/"));
  for (const name of there.flat())
    expect
      .soft(
        again.filter((one) => new RegExp(`/${name}([/_.]|-v|$)`).test(one)),
        name,
      )
      .toEqual([]);
});

const setupProgram = `
  import { setupTools } from ${JSON.stringify(join(import.meta.dirname, "../../tools/install.ts"))};
  import { readFileSync } from "node:fs";
  import { manifest } from ${JSON.stringify(join(import.meta.dirname, "../../tools/manifest.ts"))};
  const { downloads } = JSON.parse(readFileSync(process.argv[1], "utf8"));
  const tools = Object.fromEntries(Object.entries(manifest).map(([name, tool]) => [name, { ...tool, downloads: downloads[name] }]));
  await setupTools({ tools, plugins: [], onProgress: ({ what, activity }) => console.log(what + ": " + activity) });
`;

test("two set-ups at once download each thing once, and one that is killed is gone on with", async () => {
  const { env, tools } = await machine();
  const downloads = Object.fromEntries(Object.entries(tools).map(([name, tool]) => [name, tool.downloads]));
  const input = join(env.HOME, "input.json");
  await writeFile(input, JSON.stringify({ downloads }));
  const start = () => run(process.execPath, ["--input-type=module", "--eval", setupProgram, input], { env, extendEnv: false });

  const first = start();
  // Killed in the middle of something.
  first.stdout.on("data", (said) => String(said).includes(": installed") && first.kill("SIGKILL"));
  await first.catch(() => {});

  const outputs = await Promise.all([start(), start()]);
  const installed = outputs.flatMap(({ stdout }) => stdout.split("\n")).filter((line) => line.endsWith(": installed"));
  expect(new Set(installed).size).toBe(installed.length);
  for (const name of needed) expect.soft(await locate(name, env), name).toBeDefined();
  const left = await readdir(join(cacheHome(env), "tools", "kubectl"));
  expect(left).toEqual([installFolder("kubectl", env).split("/").at(-1)]);
  expect(await readFile(join(installFolder("kubectl", env), "origin"), "utf8")).toMatch(/^downloaded from /);
});
