import { endVisits } from "../../dashboard/access.ts";
import { awaitNewCredential } from "../../host/flux/reconcile-now.ts";
import { askForRotation } from "../../ledger/rotations.ts";
import { LabError } from "../../shared/errors.ts";
import { keepingCohortFile } from "../cohort-file.ts";
import { runOnLearner } from "../learner-run.ts";
import { selectLearner } from "../learners.ts";
import { notUp } from "../not-up.ts";
import { readOutputs } from "../outputs.ts";
import { findStack, learnerResources } from "../stack.ts";
import { choosePossible, readHandedOver, requireInFile, requireRunning, requireSameLayout } from "./choose.ts";
import { inState, newRun, type Run, type Step, type Task } from "./run.ts";

/** Writes down that new credentials are wanted: from here on the next `up` carries on, whatever becomes of this run. */
export async function askForNew(run: Run): Promise<void> {
  const which = inState(run);
  if (which.length > 0) await askForRotation(run.paths, run.id, which);
}

/** All credentials of one learner took 24 s on a busy machine. */
const rotationSeconds = 20;

/** Has the engine give the new credentials to all who act with them. */
export async function carryOut(run: Run): Promise<void> {
  if (inState(run).length === 0) return;
  const { paths, id } = run;
  const { cohort } = paths;
  const stack = await findStack(paths);
  if (stack === undefined) throw await notUp(cohort);
  const target = [...(await learnerResources(stack, id))];
  await runOnLearner({
    command: "rotate",
    stack,
    paths,
    learner: id,
    expectedSeconds: rotationSeconds,
    operate: (options) => keepingCohortFile(cohort, () => stack.up({ target, ...options })),
    failure: (causes, cause) =>
      new LabError(
        "rotate-failed",
        `The credentials of ${id} are in part the old ones. ${causes} Run \`./lab up ${cohort}\`: it carries on with what was asked for.`,
        { cause },
      ),
  });
}

/** Shuts the learner's page to all who could come in until now. */
export async function shutPage({ plan, id, only }: Run): Promise<void> {
  if (only.includes("page")) await endVisits(plan.cohort, id);
}

/** Lets Flux look with what it was given, and keeps how that went. */
export async function awaitFlux(run: Run): Promise<void> {
  const which = inState(run);
  const { adminKubeconfig } = selectLearner(await readOutputs(run.plan.cohort), run.id).cluster;
  run.flux = await awaitNewCredential(adminKubeconfig, { git: which.includes("git"), registry: which.includes("registry") });
}

/** What a rotation does, in order. */
export const steps: readonly Step[] = [
  readHandedOver,
  choosePossible,
  requireInFile,
  requireSameLayout,
  requireRunning,
  askForNew,
  carryOut,
  shutPage,
  awaitFlux,
];

/**
 * Gives a learner new credentials, and whoever acts in the learner's lab with them: Flux, the pipeline, the instructor's
 * kubeconfig. The old ones are refused when it returns. Returns what was rotated, and how Flux fared.
 */
export async function rotateLearner(task: Task): Promise<Pick<Run, "only" | "flux">> {
  const run = newRun(task);
  for (const step of steps) await step(run);
  return run;
}
