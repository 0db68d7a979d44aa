import { candidates, gitHttpBackend, locate } from "./locate.ts";
import { manifest, toolNames, type Purpose, type ToolName } from "./manifest.ts";
import { messageOf } from "../shared/errors.ts";

/** What is known of one tool, as plain data for `./lab doctor`. */
export interface ToolReport {
  readonly name: ToolName;
  /** The pinned version. */
  readonly wanted: string;
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
  const found = await locate(name, env);
  const notes: string[] = [];
  for await (const { path, version, fits } of candidates(name, env)) {
    if (fits) break;
    notes.push(`${path} is ${version ?? "of unknown version"}`);
  }
  if (name === "git" && found) {
    await gitHttpBackend(env).catch((error: unknown) => notes.push(messageOf(error)));
  }
  const note = notes.length > 0 ? { note: notes.join("; ") } : {};
  const tool = { name, wanted, ...(onlyFor && { onlyFor }) };
  return found ? { ...tool, state: found.origin, path: found.path, ...note } : { ...tool, state: "missing", ...note };
}
