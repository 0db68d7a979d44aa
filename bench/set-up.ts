import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../shared/exec.ts";
import { publishAssetModules, publishTools } from "../test/support/published-tools.ts";
import { startReleaseHost } from "../test/support/release-host.ts";
import { linkPrograms } from "../test/support/tool-folders.ts";
import { assetNames } from "../tools/assets.ts";
import { archHere } from "../tools/download.ts";
import { toolPath } from "../tools/locate.ts";
import { manifest, type ToolName } from "../tools/manifest.ts";
import type { GoToolchain } from "../tools/tool.ts";

/*
 * How long a set-up takes on a machine that has Git and nothing else, where all releases are in reach over one line:
 * `node bench/set-up.ts [Mbit/s] [minutes at most]`. Prints one JSON object; docs/performance.md keeps the figures.
 *
 * Played: the hosts, on loopback, with the line's width; the programs in the releases, which are those that this machine has built
 * or fetched, packed in the forms that the manifest says; what else an archive holds, as random bytes of an assumed length. Real:
 * the downloads, what is checked and unpacked, Go's toolchain and the modules, and what is built with them.
 */
const megabits = Number(process.argv[2] ?? 50);
const minutes = Number(process.argv[3] ?? 15);

/**
 * Bytes of other programs in the same archive, packed. Pulumi's other language hosts are two thirds of 470 MB by
 * github.com/pulumi/pulumi/issues/23357; etcd's and crane's archives have two programs more, each about as long.
 */
const alsoInArchive: Partial<Record<ToolName, number>> = { pulumi: 95e6, etcd: 13e6, crane: 9e6 };

async function programsOf(name: ToolName): Promise<Record<string, Buffer>> {
  // What a default cohort does not need is not fetched either.
  if (manifest[name].onlyFor !== undefined) return { [name]: Buffer.from("") };
  const names = name === "pulumi" ? (["pulumi", "pulumi-language-nodejs"] as const) : [name];
  const programs = await Promise.all(names.map(async (one) => [one, await readFile(await toolPath(one))] as const));
  const padding = alsoInArchive[name];
  return { ...Object.fromEntries(programs), ...(padding && { "other-programs": randomBytes(padding) }) };
}

const setupProgram = `
  import { readFileSync } from "node:fs";
  import { setupTools } from ${JSON.stringify(join(import.meta.dirname, "../tools/install.ts"))};
  import { manifest } from ${JSON.stringify(join(import.meta.dirname, "../tools/manifest.ts"))};
  import { formatStep } from ${JSON.stringify(join(import.meta.dirname, "../tools/progress.ts"))};
  const { downloads } = JSON.parse(readFileSync(process.argv[1], "utf8"));
  const tools = Object.fromEntries(Object.entries(manifest).map(([name, tool]) => [name, { ...tool, downloads: downloads[name] }]));
  const begin = performance.now();
  await setupTools({ tools, plugins: [], onProgress: (step) => console.log(Math.round((performance.now() - begin) / 100) / 10, formatStep(step, 0)) });
`;

/** The modules of programs that are built here, as far as Go has fetched them before. */
const { stdout: modules } = await run("go", ["env", "GOMODCACHE"], { stdin: "ignore" });
const drafts = await mkdtemp(join(tmpdir(), "gl-setup-"));
const host = await startReleaseHost({ bytesPerSecond: (megabits * 1e6) / 8 });
try {
  const [go] = manifest.go.downloads?.[archHere()!] ?? [];
  const { version } = (go as GoToolchain).goToolchain;
  await run("go", ["mod", "download", `golang.org/toolchain@${version}`], { cwd: drafts, stdin: "ignore" });
  const cached = join(modules, "cache", "download");
  const toolchain = await readFile(join(cached, "golang.org", "toolchain", "@v", `${version}.zip`));
  const tools = await publishTools(host, programsOf, toolchain, drafts);
  await publishAssetModules(host, assetNames);
  host.folder("/proxy", cached);

  const input = join(drafts, "input.json");
  await writeFile(
    input,
    JSON.stringify({ downloads: Object.fromEntries(Object.entries(tools).map(([name, { downloads }]) => [name, downloads])) }),
  );
  const [bin, home] = [join(drafts, "bin"), join(drafts, "home")];
  for (const folder of [bin, home]) await mkdir(folder);
  const env = { HOME: home, PATH: await linkPrograms(bin, ["git"]), GOPROXY: `${host.origin}/proxy`, GOSUMDB: "off" };
  const loadBefore = loadavg()[0];

  /** Seconds, and processor seconds with those of all that was started. */
  async function setUp() {
    const script = `TIMEFORMAT='%R %U %S'; time "$0" --input-type=module --eval "$1" "$2"`;
    const { stdout, stderr } = await run("/bin/bash", ["-c", script, process.execPath, setupProgram, input], {
      env,
      extendEnv: false,
      timeout: minutes * 60_000,
    });
    const [seconds = 0, user = 0, system = 0] = (stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
    return { seconds, processorSeconds: user + system, lines: stdout.split("\n").filter(Boolean) };
  }

  const first = await setUp();
  const bytes = host.sent();
  const again = await setUp();
  const lastOf = (activity: string) =>
    first.lines
      .filter((line) => line.includes(activity))
      .at(-1)
      ?.split(" ")[0];
  const result = {
    machine: { cores: availableParallelism(), model: cpus()[0]?.model, loadBefore },
    megabits,
    megabytes: Math.round(bytes / 1e6),
    lineAloneSeconds: Math.round((bytes * 8) / (megabits * 1e6)),
    assumedMegabytes: Math.round(Object.values(alsoInArchive).reduce((sum, one) => sum + one, 0) / 1e6),
    seconds: first.seconds,
    processorSeconds: Math.round(first.processorSeconds),
    lastBuildBegunAfter: Number(lastOf("building from source")),
    again: { seconds: again.seconds, processorSeconds: again.processorSeconds, lines: again.lines.length },
    lines: first.lines,
  };
  console.log(JSON.stringify(result, undefined, 2));
} finally {
  await host.close();
  await run("chmod", ["-R", "u+w", drafts]);
  await rm(drafts, { recursive: true, force: true });
}
