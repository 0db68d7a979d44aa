import { candidates, gitHttpBackend, locate } from "./locate.ts";
import { manifest, toolNames, type ToolName } from "./manifest.ts";
import type { Purpose } from "./tool.ts";
import { messageOf } from "../shared/errors.ts";

/** What is known of one tool, as plain data for `./lab doctor`. */
export interface ToolReport {
  readonly name: ToolName;
  /** The pinned version; of what only the system can bring, the least. */
  readonly wanted: string;
  /** The version that is there and is used; undefined where there is none, or it gives none. */
  readonly found?: string;
  /** For which cohorts alone it is needed. */
  readonly onlyFor?: Purpose;
  readonly state: "path" | "downloaded" | "built" | "missing";
  readonly path?: string;
  /** Why a program of that name on PATH is not used, or what else is wrong. */
  readonly note?: string;
}

/** Looks for every tool; installs nothing and throws nothing. */
export async function inspectTools(env: NodeJS.ProcessEnv = process.env): Promise<readonly ToolReport[]> {
  return Promise.all(toolNames.map((name) => inspectTool(name, env)));
}

async function inspectTool(name: ToolName, env: NodeJS.ProcessEnv): Promise<ToolReport> {
  const { version: wanted, onlyFor } = manifest[name];
  const located = await locate(name, env);
  const notes: string[] = [];
  // What was built or downloaded is in a folder of its version.
  let version = located?.origin === "path" ? undefined : located && wanted;
  for await (const candidate of candidates(name, env)) {
    if (candidate.fits) {
      version ??= candidate.version;
      break;
    }
    notes.push(`${candidate.path} is ${candidate.version ?? "of unknown version"}`);
  }
  if (name === "git" && located) {
    await gitHttpBackend(env).catch((error: unknown) => notes.push(messageOf(error)));
  }
  const note = notes.length > 0 ? { note: notes.join("; ") } : {};
  const tool = { name, wanted, ...(onlyFor && { onlyFor }) };
  if (located === undefined) return { ...tool, state: "missing", ...note };
  return { ...tool, ...(version !== undefined && { found: version }), state: located.origin, path: located.path, ...note };
}
