import { access, mkdir, mkdtemp, realpath, rename, rm, chmod } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { locked } from "../../shared/locked.ts";
import { cacheHome } from "../../shared/paths.ts";
import { goHere } from "../../tools/go-here.ts";
import { toolPath } from "../../tools/locate.ts";
import { runThrownAway, type JobRoom, type ThrownAwayJob } from "../room/thrown-away.ts";

const buildArgs = ["build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w -buildid="] as const;

/** What decides the bytes of a program besides its source. */
export interface Toolchain {
  readonly goVersion: string;
  readonly arch: "amd64" | "arm64";
  /** As tools/go/room/lab-build has them. */
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
  return { goVersion: (await goHere()).version, arch, args: buildArgs };
}

/** Where a build has its toolchain and the cache of the standard library. */
const goroot = "/go";
const sharedCache = "/std";

/** What of a toolchain a build sees: the programs that make one of Go alone, and what they read. */
async function partsOf(
  root: string,
  arch: Toolchain["arch"],
): Promise<{ readonly reads: Record<string, string>; readonly runs: string[] }> {
  const tools = ["compile", "link", "asm", "buildid"].map((name) => `pkg/tool/linux_${arch}/${name}`);
  const present = async (part: string): Promise<[string, string][]> => {
    // Distributions put parts elsewhere, and links in their place.
    const path = await realpath(join(root, part)).catch(() => undefined);
    return path === undefined ? [] : [[`${goroot}/${part}`, path]];
  };
  const programs = (await Promise.all(["bin/go", ...tools].map(present))).flat();
  const files = (await Promise.all(["VERSION", "go.env", "src", "pkg/include"].map(present))).flat();
  return { reads: Object.fromEntries([...programs, ...files]), runs: programs.map(([, path]) => path) };
}

export type BuildRoom = JobRoom | "none";

/** What a build needs, but for its limits and its source. The first one on a machine prepares the standard library. */
export async function buildJob(room: BuildRoom): Promise<Omit<ThrownAwayJob, "limits">> {
  const { arch, goVersion } = await toolchain();
  const { root } = await goHere();
  const job = await compilerJob(root, arch, room);
  const std = await standardLibrary(root, goVersion, arch);
  return { ...job, reads: { ...job.reads, [sharedCache]: std } };
}

async function compilerJob(root: string, arch: Toolchain["arch"], room: BuildRoom): Promise<Omit<ThrownAwayJob, "limits">> {
  const { reads, runs } = await partsOf(root, arch);
  return {
    program: await toolPath("lab-build"),
    args: ["module"],
    env: { GOROOT: room === "none" ? root : goroot, TMPDIR: "/tmp", LAB_BUILD_CACHE: sharedCache },
    reads,
    runs,
    room,
  };
}

/**
 * What is compiled ahead: what an app of HTTP, JSON and templates needs, which is two thirds of all and takes a fraction of
 * its time. A package beyond it is compiled in the build that wants it.
 */
const ahead = ["net/http", "encoding/json", "log/slog", "html/template", "embed", "expvar", "net/http/pprof", "os/signal", "math/rand/v2"];

/** Ten minutes: a slow machine compiles the whole standard library. */
const compileSeconds = 600;
const stdLimits = { seconds: 600, memoryBytes: 4 * 1024 ** 3, processes: 256, outputBytes: 1024 ** 2 };

/** The folder with a compiled standard library, made once for a toolchain. It appears complete or not at all. */
async function standardLibrary(root: string, goVersion: string, arch: Toolchain["arch"]): Promise<string> {
  const key = createHash("sha256")
    .update(`${await realpath(root)}\n${goVersion}\n${arch}\n${ahead.join(" ")}`)
    .digest("hex")
    .slice(0, 12);
  const parent = join(cacheHome(), "go-std");
  const folder = join(parent, `${goVersion}-${key}`);
  const isThere = () =>
    access(folder).then(
      () => true,
      () => false,
    );
  if (await isThere()) return folder;
  await mkdir(parent, { recursive: true });
  return locked(
    parent,
    async () => {
      if (await isThere()) return folder;
      const draft = await mkdtemp(`${folder}.draft-`);
      try {
        // Nothing of a learner's is in it, so it needs no room.
        const job = await compilerJob(root, arch, "none");
        const outcome = await runThrownAway({ ...job, args: ["std", ...ahead], writes: { [sharedCache]: draft }, limits: stdLimits });
        if (outcome.end !== "ended" || outcome.exitCode !== 0)
          throw new LabError(
            "image-build-failed",
            `Go did not compile its standard library (${outcome.end}): ${outcome.stderr.slice(0, 2000)} Check the Go installation with \`go version\`.`,
          );
        await chmod(draft, 0o755);
        await rename(draft, folder);
      } finally {
        await rm(draft, { recursive: true, force: true });
      }
      return folder;
    },
    compileSeconds,
  );
}
