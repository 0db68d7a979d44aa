import { existsSync } from "node:fs";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { gitHost } from "../../git-hosts/hosts.ts";
import { creationTime, noteCreation, requireLayout } from "../../ledger/creation.ts";
import { removeProcesses } from "../../host/processes/client.ts";
import { removeOwned } from "../../ledger/ownership.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import { requireRooms } from "../../stacks/isolation.ts";
import type { CohortPlan } from "../../stacks/plan.ts";
import { measuredCosts } from "../capacity/costs.ts";
import { backUp } from "../course/backup.ts";
import { runOnLearner } from "../learner-run.ts";
import { LastRunRecord } from "../last-run.ts";
import { settleLearner, whileRunning } from "../receipts.ts";
import { findStack, learnerResources } from "../stack.ts";
import { notUp } from "../not-up.ts";
import { note, print } from "../terminal.ts";
import { up } from "./up.ts";
import { cohortOption } from "../which-cohort.ts";

export interface ResetOptions {
  readonly cohort: string;
  /** New folder for the backup. */
  readonly out?: string | undefined;
}

/** Gives a learner a fresh lab. Returns the exit code of `up`. */
export async function reset(id: string, options: ResetOptions): Promise<number> {
  const { backup, exitCode } = await resetLearner(id, options);
  print(backup);
  note(`Credentials are new: \`./lab handout ${id}${cohortOption(options.cohort)}\` writes the handout anew.`);
  return exitCode;
}

/**
 * Keeps what a learner had in a backup, removes everything of theirs through Pulumi, and brings the cohort up again, which
 * makes it anew. Returns the path of the backup and the exit code of `up`.
 */
export async function resetLearner(id: string, options: ResetOptions): Promise<{ readonly backup: string; readonly exitCode: number }> {
  const plan = await readCohort(options.cohort);
  const { cohort } = plan;
  const learner = plan.learners.find((one) => one.learner.id === id);
  if (learner === undefined) {
    throw new LabError(
      "learner-unknown",
      `The file of cohort ${cohort} has no learner "${id}". Its learners: ${plan.learners.map((one) => one.learner.id).join(", ")}. Run the command with one of these.`,
      { exitCode: ExitCode.badInput },
    );
  }
  await requireLayout(cohort);
  // What could not be made again is not removed.
  requireRooms(plan);
  const stack = existsSync(cohortPaths(cohort).root) ? await findStack(cohort) : undefined;
  if (stack === undefined) throw await notUp(cohort, ", so there is nothing to reset");

  const refusal = (await gitHost(plan.git.kind).upkeep()).refuseReset?.(plan.git, cohort, id);
  if (refusal !== undefined) throw refusal;
  const backup = await backUp(cohort, id, options.out);
  note(`Kept what ${id} had in ${backup}. Making the lab anew.`);
  const started = new Date();
  const made = await creationTime(cohort, id);
  await keepingCohortFile(cohort, () =>
    whileRunning(cohort, "reset", async () => {
      await removeLearner(stack, plan, id, backup);
      // A run that was killed may have started what its state does not know.
      await removeProcesses(cohort, id, "SIGKILL");
      await removeOwned(cohort, cohortPaths(cohort).learner(id).root);
      await settleLearner(stack, id, started);
    }),
  );
  // A lab that is reset is not a younger one.
  if (made !== undefined) await noteCreation(cohort, id, made);
  return { backup, exitCode: await up(cohort, { force: true, json: false }) };
}

/** Removes everything of a learner through Pulumi. Until it is made anew the learner counts as unfinished. */
async function removeLearner(stack: Stack, { cohort, learners }: CohortPlan, id: string, backup: string): Promise<void> {
  const target = [...(await learnerResources(stack, id))];
  await (
    await LastRunRecord.begin(
      cohort,
      "reset",
      [id],
      learners.map(({ learner }) => learner.id),
    )
  ).written();
  if (target.length === 0) return;
  const { gone } = measuredCosts;
  await runOnLearner({
    command: "reset",
    stack,
    learner: id,
    expectedSeconds: gone.host + gone.learner,
    operate: (options) => stack.destroy({ target, ...options }),
    failure: (causes, cause) =>
      new LabError(
        "reset-failed",
        `The lab of ${id} was not removed completely. ${causes} Their work is in ${backup}. Run \`./lab up ${cohort}\` to mend it, then the command again.`,
        { cause },
      ),
  });
}
