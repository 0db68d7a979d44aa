import { existsSync } from "node:fs";
import { join } from "node:path";
import { processStatus } from "../../host/processes/client.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { fluxControllerNames } from "../../tools/manifest.ts";
import type { ProviderCondition } from "../condition.ts";

/** The tools of every lab are all that it needs. */
export async function conditions(): Promise<readonly ProviderCondition[]> {
  return [];
}

/** Whether a process or the folder of one of these labs is there no more. */
export async function isGone(cohort: string, learners: readonly Pick<LearnerOutputs, "id">[]): Promise<boolean> {
  const paths = cohortPaths(cohort);
  // What awaits a pod lost its Deployment, or was scaled down: the lab is to have it.
  const wanted = new Set((await processStatus(paths)).flatMap(({ name, state }) => (state === "awaiting-pod" ? [] : [name])));
  const expected = [
    "registry",
    ...learners.flatMap(({ id }) => [`${id}/kube-apiserver`, ...fluxControllerNames.map((name) => `${id}/${name}`)]),
  ];
  return (
    learners.length > 0 && (expected.some((name) => !wanted.has(name)) || learners.some(({ id }) => !existsSync(paths.learner(id).root)))
  );
}

/** Learners whose rotation was cut short after their cluster had taken the new credentials. */
export async function halfRotated(cohort: string, learners: readonly LearnerOutputs[]): Promise<readonly string[]> {
  const begun = await Promise.all(
    learners.map(async ({ id, cluster }) => {
      const present = await readIfExists(join(cohortPaths(cohort).learner(id).kubeconfigs, "admin.yaml"));
      return present !== undefined && present !== cluster.adminKubeconfig ? [id] : [];
    }),
  );
  return begun.flat();
}
