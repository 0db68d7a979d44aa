import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { LearnerPaths } from "../../../shared/paths.ts";
import { writePrivateFile } from "../../../shared/private-files.ts";

/** How kwok plays the node. It reads the file once, at its start. */
export async function nodeRules(): Promise<{ readonly text: string; readonly digest: string }> {
  const text = await readFile(new URL("kwok.yaml", import.meta.url), "utf8");
  return { text, digest: createHash("sha256").update(text).digest("hex").slice(0, 12) };
}

export const nodeRulesFile = ({ cluster }: LearnerPaths) => join(cluster, "kwok.yaml");

export async function writeNodeRules(paths: LearnerPaths): Promise<void> {
  await writePrivateFile(nodeRulesFile(paths), (await nodeRules()).text);
}
