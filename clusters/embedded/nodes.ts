import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Condition } from "../../host/room/trials.ts";
import { preflight } from "./node/preflight.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import type { Chosen } from "../provider.ts";
import type { EmbeddedSpec } from "./spec.ts";

/**
 * Whether `auto` means that pods run for real here. It stays with what it has chosen for as long as the cohort is on this
 * machine, since another choice makes the clusters anew. Throws LabError `nodes-impossible` when `real` is asked for and
 * the machine does not allow it.
 */
export async function decideNodes(cohort: string, specs: readonly EmbeddedSpec[]): Promise<Chosen> {
  const wanted = new Set(specs.map(({ nodes }) => nodes));
  if (!wanted.has("real") && !wanted.has("auto")) return { nodes: "simulated" };
  const chosen = await nodesThere(cohort);
  if (!wanted.has("real") && chosen !== undefined) return { nodes: chosen };
  const unmet = (await preflight()).filter(({ met }) => !met);
  if (unmet.length === 0) return { nodes: "real" };
  if (!wanted.has("real")) return { nodes: "simulated", because: listed(unmet) };
  throw new LabError(
    "nodes-impossible",
    `\`cluster.nodes\` is "real", and pods cannot run for real on this machine: ${listed(unmet)}. Nothing was created. Mend that (\`./lab doctor\` shows every condition), or set it to simulated or auto.`,
    { exitCode: ExitCode.badInput },
  );
}

const listed = (unmet: readonly Condition[]) => unmet.map(({ name, found }) => `${name}: ${found}`).join("; ");

/** What the cohort's embedded clusters on this machine have; undefined where it has none. */
async function nodesThere(cohort: string): Promise<"real" | "simulated" | undefined> {
  const paths = cohortPaths(cohort);
  const clusters = (await readdir(join(paths.root, "learners")).catch(() => []))
    .map((id) => paths.learner(id).cluster)
    .filter((folder) => existsSync(folder));
  if (clusters.length === 0) return undefined;
  return clusters.some((folder) => existsSync(join(folder, "node"))) ? "real" : "simulated";
}
