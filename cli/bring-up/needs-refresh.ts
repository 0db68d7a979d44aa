import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { processStatus } from "../../host/processes/client.ts";
import { containersOf } from "../../host/kind/cli.ts";
import { kindName } from "../../host/kind/config.ts";
import { tokenEnd } from "../../shared/kubeconfig.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { fluxControllerNames } from "../../tools/manifest.ts";
import type { StateSummary } from "../stack.ts";

/** Learners of whom a rotation was cut short after their cluster had taken the new credentials. */
export async function rotating(stack: Stack): Promise<string[]> {
  const begun = await Promise.all(
    (await learnersIn(stack)).map(async ({ id, cluster }) => {
      const present =
        cluster.kind === "embedded" ? await readIfExists(join(cohortPaths(stack.name).learner(id).kubeconfigs, "admin.yaml")) : undefined;
      return present !== undefined && present !== cluster.adminKubeconfig ? [id] : [];
    }),
  );
  return begun.flat();
}

/** Whether Pulumi's state may tell of things that are no longer there, which only a refresh makes it see. */
export async function needsRefresh(stack: Stack, { isPending, learners }: StateSummary): Promise<boolean> {
  if (learners.size === 0 && !isPending) return false;
  const last = await stack.info();
  if (last?.result !== "succeeded" || isPending) return true;
  const all = await learnersIn(stack);
  // A learner's token that has ended, and a kind cluster that is gone, are found by looking.
  if (all.some(({ cluster }) => cluster.kind !== "embedded" && (tokenEnd(cluster.kubeconfig) ?? new Date(8.64e15)) < new Date()))
    return true;
  if (await anyKindGone(stack.name, all)) return true;
  const told = all.filter(({ cluster }) => cluster.kind === "embedded");
  // What awaits a pod lost its Deployment, or was scaled down: the lab is to have it.
  const wanted = new Set((await processStatus(stack.name)).flatMap(({ name, state }) => (state === "awaiting-pod" ? [] : [name])));
  const expected = [
    "registry",
    ...told.flatMap(({ id }) => [`${id}/kube-apiserver`, ...fluxControllerNames.map((name) => `${id}/${name}`)]),
  ];
  return (
    told.length > 0 &&
    (expected.some((name) => !wanted.has(name)) || told.some(({ id }) => !existsSync(cohortPaths(stack.name).learner(id).root)))
  );
}

/** The learners that the last run handed over. */
async function learnersIn(stack: Stack): Promise<LearnerOutputs[]> {
  return Object.values(((await stack.outputs())["learners"]?.value ?? {}) as CohortOutputs["learners"]);
}

/** Whether a kind cluster that was made is there no more. Where Docker does not answer, that is for the run to say. */
async function anyKindGone(cohort: string, learners: readonly LearnerOutputs[]): Promise<boolean> {
  const gone = await Promise.all(
    learners.flatMap(({ id, cluster }) =>
      cluster.kind === "kind"
        ? [
            containersOf(kindName(cohort, id), { learner: id, step: "look for the kind cluster" }).then(
              (found) => found.length === 0,
              () => false,
            ),
          ]
        : [],
    ),
  );
  return gone.includes(true);
}
