import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { createHash } from "node:crypto";
import { archHere } from "../../tools/download.ts";
import { run } from "../../shared/exec.ts";
import { assetManifest, type AssetName } from "../../tools/assets.ts";
import { moduleZip } from "../../tools/fetch/module-proxy.ts";
import { modulesOf } from "../../tools/fetch/take-module.ts";
import { moduleRoot } from "../../tools/module-pin.ts";
import { moduleSum } from "../../tools/fetch/module-zip.ts";
import { manifest, toolNames, type ToolName } from "../../tools/manifest.ts";
import type { Arch, Download, Tool } from "../../tools/tool.ts";
import { tarGz } from "./archives.ts";
import type { ReleaseHost } from "./release-host.ts";

/** What stands for the programs that a release has: all of a tool's, by name. */
export type ProgramsOf = (tool: ToolName) => Promise<Readonly<Record<string, Buffer | string>>>;

/**
 * Publishes every tool on the host in the form in which the manifest says it is published, and returns the manifest with these
 * places and digests. What nobody publishes is as it was.
 *
 * @param toolchain the zip archive of a Go toolchain
 * @param folder a place for drafts
 */
export async function publishTools(
  host: ReleaseHost,
  programsOf: ProgramsOf,
  toolchain: Buffer,
  folder: string,
): Promise<Record<ToolName, Tool>> {
  const arch = archHere()!;
  const published: [ToolName, Tool][] = [];
  for (const name of toolNames) {
    const release = manifest[name].downloads?.[arch]?.[0];
    const downloads = release && { [arch]: [await publish(host, name, release, arch, programsOf, toolchain, folder)] };
    published.push([name, { ...manifest[name], ...(downloads && { downloads }) }]);
  }
  return Object.fromEntries(published) as Record<ToolName, Tool>;
}

async function publish(
  host: ReleaseHost,
  name: ToolName,
  release: Download,
  arch: Arch,
  programsOf: ProgramsOf,
  toolchain: Buffer,
  folder: string,
): Promise<Download> {
  if ("goToolchain" in release) {
    const file = join(folder, "toolchain.zip");
    await writeFile(file, toolchain);
    const { version } = release.goToolchain;
    host.file(`/proxy/golang.org/toolchain/@v/${version}.zip`, toolchain);
    return { goToolchain: { version, sum: await moduleSum(file) } };
  }
  const programs = await programsOf(name);
  if ("image" in release) {
    const below = await tarGz({ "etc/os-release": "ID=none\n" });
    const layer = await tarGz({ [release.file]: programs[basename(release.file)]! }, 6);
    return { ...host.image(new URL(release.image).pathname.slice(1), arch, [below, layer]), file: release.file };
  }
  const { hostname, pathname } = new URL(release.url);
  const places = new Map(release.members?.map((member) => [basename(member), member]));
  const content = release.members
    ? await tarGz(Object.fromEntries(Object.entries(programs).map(([program, bytes]) => [places.get(program) ?? program, bytes])), 6)
    : Buffer.from(programs[name]!);
  const url = host.elsewhere(`/${hostname}${pathname}`, content);
  return { ...release, url, sha256: createHash("sha256").update(content).digest("hex") };
}

/** Serves the modules that the assets are in, as Go itself fetches them, the way a proxy does. */
export async function publishAssetModules(host: ReleaseHost, names: readonly AssetName[]): Promise<void> {
  const wanted = new Map(
    names.flatMap((name) => modulesOf(assetManifest[name]).map((one) => [one.module, { ...one, root: assetManifest[name].module }])),
  );
  for (const { module, version, root } of wanted.values()) {
    const { stdout } = await run("go", ["mod", "download", "-json", module], {
      cwd: moduleRoot(root),
      env: { GOWORK: "off" },
      stdin: "ignore",
    });
    const { Zip } = JSON.parse(stdout) as { Zip: string };
    host.file(new URL(moduleZip(`${host.origin}/proxy`, { module, version, sum: "" }).url).pathname, await readFile(Zip));
  }
}
