import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { childEnvironment } from "../shared/environment.ts";
import { run } from "../shared/exec.ts";
import { cacheHome } from "../shared/paths.ts";
import { readIfExists, writePrivateFile } from "../shared/private-files.ts";
import type { VersionProbe } from "./tool.ts";

/** Anything smaller is a script or a shim, whose answer can change while the file stays the same. */
const smallestProgram = 1_000_000;

/**
 * The version a program gives for itself, without `v`; undefined when it gives none. Starting a program takes up to
 * 200 ms, so the answer is remembered in the cache until the file changes.
 */
export async function programVersion(path: string, probe: VersionProbe, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const { size, mtimeMs } = await stat(path);
  const identity = JSON.stringify({ path, size, mtimeMs });
  const memory = join(cacheHome(env), "versions", createHash("sha256").update(path).digest("hex"));
  const [known, version] = (await readIfExists(memory).catch(() => undefined))?.split("\n") ?? [];
  if (known === identity && version) return version;

  const asked = await ask(path, probe, env);
  if (asked !== undefined && size >= smallestProgram) await remember(memory, `${identity}\n${asked}`);
  return asked;
}

/** Where the cache may only be read, the program is asked by each process that wants to know. */
async function remember(memory: string, text: string): Promise<void> {
  try {
    await writePrivateFile(memory, text);
  } catch (error) {
    // ENOENT is Node's word for a folder that can't be made where nothing may be written.
    if (!["EACCES", "EPERM", "EROFS", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

async function ask(path: string, probe: VersionProbe, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const [program, args] = probe.via === "go" ? ["go", [...probe.args, path]] : [path, probe.args];
  const { stdout } = await run(program, args, {
    env: childEnvironment("program", { PULUMI_SKIP_UPDATE_CHECK: "true", GOENV: "off", GOTOOLCHAIN: "local" }, env),
    reject: false,
    stdin: "ignore",
    timeout: 20_000,
  });
  return probe.pattern.exec(stdout ?? "")?.[1];
}
