import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FileTree } from "../../lab-templates/types.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { run } from "../../shared/exec.ts";

const buildArgs = ["build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w -buildid="] as const;

/** What decides the bytes of a program besides its source. */
export interface Toolchain {
  readonly goVersion: string;
  readonly arch: "amd64" | "arm64";
  readonly args: readonly string[];
}

/** The Go toolchain of this machine. Throws LabError `go-missing`, and `architecture-unknown` on other than x64 and arm64. */
export async function toolchain(): Promise<Toolchain> {
  const arch = { x64: "amd64", arm64: "arm64" }[process.arch as string] as Toolchain["arch"] | undefined;
  if (!arch) {
    throw new LabError(
      "architecture-unknown",
      `The lab builds images for x64 and arm64, and this machine is ${process.arch}. Use a lab host of one of the two.`,
      {
        exitCode: ExitCode.badInput,
      },
    );
  }
  const { stdout } = await go(["env", "GOVERSION"]);
  return { goVersion: stdout, arch, args: buildArgs };
}

/**
 * Builds a static Linux program from a Go module that needs the standard library alone. `target` appears complete or not
 * at all. Nothing of the caller's Go settings has a say, so the same source and toolchain give the same bytes.
 */
export async function buildProgram(source: FileTree, { arch, args }: Toolchain, target: string): Promise<void> {
  const folder = await mkdtemp(`${target}.build-`);
  try {
    const module = join(folder, "module");
    for (const [path, text] of Object.entries(source)) {
      const file = join(module, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    await buildModule(module, { arch, args }, join(folder, "program"));
    await rename(join(folder, "program"), target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same for a module in a folder, with an end to the patience. */
export async function buildModule(
  module: string,
  { arch, args }: Pick<Toolchain, "arch" | "args">,
  target: string,
  timeoutSeconds?: number,
): Promise<void> {
  await go([...args, "-o", target, "."], { cwd: module, arch, ...(timeoutSeconds !== undefined && { timeout: timeoutSeconds * 1000 }) });
}

async function go(
  args: readonly string[],
  { cwd, arch, timeout }: { cwd?: string; arch?: string; timeout?: number } = {},
): Promise<{ readonly stdout: string }> {
  const inherited = Object.fromEntries(["PATH", "HOME", "GOCACHE", "XDG_CACHE_HOME", "TMPDIR"].map((name) => [name, process.env[name]]));
  const env = {
    ...inherited,
    GOENV: "off",
    GOWORK: "off",
    GOPROXY: "off",
    GOTOOLCHAIN: "local",
    CGO_ENABLED: "0",
    GOOS: "linux",
    ...(arch && { GOARCH: arch }),
  };
  const result = await run("go", args, { env, extendEnv: false, reject: false, ...(cwd && { cwd }), ...(timeout && { timeout }) });
  if (!result.failed) return result;
  if (result.code === "ENOENT") {
    throw new LabError(
      "go-missing",
      "The lab builds the backend's images itself and found no Go on PATH. Install Go 1.24 or newer and run the command again.",
      {
        exitCode: ExitCode.badInput,
      },
    );
  }
  throw new LabError(
    "image-build-failed",
    `go ${args[0]} failed: ${result.stderr || result.shortMessage} Check the Go installation with \`go version\`.`,
    { cause: result },
  );
}
