import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { creationTime, noteCreation } from "../../host/creation.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import { backUp } from "../course/backup.ts";
import { Progress } from "../progress.ts";
import { findStack, learnerResources } from "../stack.ts";
import { note, print } from "../terminal.ts";
import { causes, up } from "./up.ts";

export interface ResetOptions {
  readonly cohort: string;
  /** New folder for the backup. */
  readonly out?: string | undefined;
}

/**
 * Gives a learner a fresh lab: keeps what they had in a backup, removes everything of theirs through Pulumi, and brings
 * the cohort up again, which makes it anew. Returns the exit code of `up`.
 */
export async function reset(id: string, options: ResetOptions): Promise<number> {
  const plan = await readCohort(options.cohort);
  const { cohort } = plan;
  const learner = plan.learners.find((one) => one.learner.id === id);
  if (learner === undefined) {
    throw new LabError("learner-unknown", `The file of cohort ${cohort} has no learner "${id}". Its learners: ${plan.learners.map((one) => one.learner.id).join(", ")}. Run the command with one of these.`, { exitCode: ExitCode.badInput });
  }
  const stack = existsSync(cohortPaths(cohort).root) ? await findStack(cohort) : undefined;
  if (stack === undefined) throw new LabError("cohort-not-up", `Cohort ${cohort} is not up, so there is nothing to reset. Run \`./lab up ${cohort}\`.`, { exitCode: ExitCode.badInput });

  const { git } = learner;
  if (git.kind === "github" && git.onTeardown === "delete") {
    throw new LabError("reset-deletes", `A reset would delete the repository of ${id} on GitHub, and no backup is made of one there. Nothing was changed. Set \`git.onTeardown: archive\` in the cohort file, run \`./lab up ${cohort}\` and then the command again.`, { exitCode: ExitCode.badInput });
  }
  const backup = await backUp(cohort, id, options.out);
  print(backup);
  note(`Kept what ${id} had in ${backup}. Making the lab anew.`);
  const made = await creationTime(cohort, id);
  const progress = new Progress([id]);
  const target = await learnerResources(stack, id);
  try {
    if (target.length > 0) await keepingCohortFile(cohort, () => stack.destroy({ target, onEvent: progress.onEvent, color: "never" }));
  } catch (error) {
    throw new LabError("reset-failed", `The lab of ${id} was not removed completely. ${causes(progress, error)} Their work is in ${backup}. Run \`./lab up ${cohort}\` to mend it, then the command again.`, { cause: error });
  }
  await rm(cohortPaths(cohort).learner(id).root, { recursive: true, force: true });
  // A lab that is reset is not a younger one.
  if (made !== undefined) await noteCreation(cohort, id, made);
  const exitCode = await up(cohort, { force: true });
  note(`Credentials are new: \`./lab handout ${id}${cohort === "demo" ? "" : ` --cohort ${cohort}`}\` writes the handout anew.`);
  return exitCode;
}
