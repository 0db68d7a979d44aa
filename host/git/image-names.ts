import { existsSync } from "node:fs";
import { join } from "node:path";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { Opening, Via } from "../../shared/opening.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { isOnLabHost } from "../../shared/on-lab-host.ts";
import { readDaemonConfig } from "../processes/config.ts";
import { portsOf } from "../../ledger/ports.ts";
import { seedMentions } from "./repository.ts";

interface Named {
  readonly learner: { readonly id: string };
  readonly git: { readonly kind: string; readonly repository: string };
  readonly registry: { readonly kind: string };
  readonly via: Via;
}

/**
 * Refuses what would leave a learner's repository with names of images that the cluster can't come to: a learner's history
 * names them, by loopback for an embedded cluster and by the opened address for one of kind, and history is not rewritten.
 * Throws LabError `image-names-fixed`. Changes nothing.
 */
export async function requireImageNames(
  { cohort, opening, learners }: { readonly cohort: string; readonly opening?: Opening; readonly learners: readonly Named[] },
  paths: CohortPaths,
): Promise<void> {
  const config = await readDaemonConfig(paths);
  if (config === undefined) return;
  const web = (await portsOf(`${cohort}/host`))[`${cohort}/host/web`];
  for (const { learner, git, registry, via } of learners) {
    if (!isOnLabHost(git) || !isOnLabHost(registry)) continue;
    const path = join(paths.git, learner.id, `${git.repository}.git`);
    const host = via === "loopback" ? `127.0.0.1:${config.registryPort}` : `${opening?.name}:${web}`;
    if (!existsSync(path) || (await seedMentions(path, `${host}/${learner.id}/`)) !== false) continue;
    throw new LabError(
      "image-names-fixed",
      `The repository of learner ${learner.id} names images by another address than the ${host} at which the learner's cluster would come to them, and history is not rewritten. Nothing was changed. Put \`cluster\` and \`access\` in the cohort file back to what they were; or take the learner out, run \`./lab up ${cohort}\`, and put the learner in again, with a new repository.`,
      { exitCode: ExitCode.badInput },
    );
  }
}
