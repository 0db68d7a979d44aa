import { join } from "node:path";
import { LabError } from "../../../shared/errors.ts";
import { connect } from "../../../shared/kube-api.ts";
import type { LearnerPaths } from "../../../shared/paths.ts";
import { readIfExists, writePrivateFile } from "../../../shared/private-files.ts";
import { findRefusedThings } from "./refused-things.ts";

/**
 * Throws LabError `lab-holds-refused` where the cluster has something of a time before its policies that they would refuse
 * today, for it goes on as it is. Looked at once, and not in a cluster that had them from the beginning.
 */
export async function requireAdmitted(learner: string, paths: LearnerPaths, admin: string, isFresh: boolean): Promise<void> {
  const looked = join(paths.cluster, "admission-looked-at");
  if ((await readIfExists(looked)) !== undefined) return;
  const [first, ...more] = isFresh ? [] : await findRefusedThings(connect(admin));
  if (first === undefined) return writePrivateFile(looked, "");
  const others = more.length === 0 ? "" : `, and ${more.length} more like it`;
  throw new LabError(
    "lab-holds-refused",
    `The cluster of learner ${learner} has ${first.name}${others}, from before the lab refused such things: ${first.told} Delete it with \`kubectl\` and the administrator's kubeconfig and run \`./lab up\` again, or make the lab anew with \`./lab reset ${learner}\`, which keeps a backup.`,
  );
}
