import { existsSync } from "node:fs";
import { gitHost } from "../../git-hosts/hosts.ts";
import { creationTime, requireLayout } from "../../ledger/creation.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { requireRooms } from "../../stacks/isolation.ts";
import { backUp } from "../course/backup.ts";
import { notUp } from "../not-up.ts";
import { findStack } from "../stack.ts";
import { note } from "../terminal.ts";
import type { Run } from "./run.ts";

/** Throws LabError (exit code 2) for an id that the cohort file does not have. */
export async function requireLearner({ plan: { cohort, learners }, id }: Run): Promise<void> {
  const ids = learners.map(({ learner }) => learner.id);
  if (ids.includes(id)) return;
  throw new LabError(
    "learner-unknown",
    `The file of cohort ${cohort} has no learner "${id}". Its learners: ${ids.join(", ")}. Run the command with one of these.`,
    { exitCode: ExitCode.badInput },
  );
}

/** Throws LabError (exit code 2) where the lab could not be made again here: what can't be made again is not removed. */
export async function requireRemaking({ plan, paths }: Run): Promise<void> {
  await requireLayout(paths);
  requireRooms(plan);
}

/** Finds the cohort's stack. Throws LabError (exit code 2) where the cohort is not up. */
export async function findExisting(run: Run): Promise<void> {
  const { paths } = run;
  const stack = existsSync(paths.root) ? await findStack(paths) : undefined;
  if (stack === undefined) throw await notUp(paths.cohort, ", so there is nothing to reset");
  run.stack = stack;
}

/** Throws what the Git host has against it, as where a repository elsewhere would be lost. */
export async function askGitHost({ plan: { git, cohort }, id }: Run): Promise<void> {
  const refusal = (await gitHost(git.kind).upkeep()).refuseReset?.(git, cohort, id);
  if (refusal !== undefined) throw refusal;
}

/** Keeps what the learner had in a backup. */
export async function keepWork(run: Run): Promise<void> {
  const { paths, id, out } = run;
  run.backup = await backUp(paths, id, out);
  note(`Kept what ${id} had in ${run.backup}. Making the lab anew.`);
}

/** Looks when the lab was made first, which the removal forgets. */
export async function noteAge(run: Run): Promise<void> {
  run.made = await creationTime(run.paths, run.id);
}
