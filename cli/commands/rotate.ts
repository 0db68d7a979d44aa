import { endVisits, readServerPort } from "../../dashboard/access.ts";
import { requireLayout } from "../../ledger/creation.ts";
import { isDaemonUp, processStatus } from "../../host/processes/client.ts";
import { awaitNewCredential, type Reconciled } from "../../host/flux/reconcile-now.ts";
import { askForRotation, rotated, type Rotated } from "../../ledger/rotations.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { isOnLabHost, labHostKind } from "../../shared/on-lab-host.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import { runOnLearner } from "../learner-run.ts";
import { selectLearner } from "../learners.ts";
import { notUp } from "../not-up.ts";
import { readOutputs } from "../outputs.ts";
import { findStack, learnerResources } from "../stack.ts";
import { note, print, printJson } from "../terminal.ts";
import { cohortOption } from "../which-cohort.ts";

export const rotatable = [...rotated, "page"] as const;
export type Rotatable = (typeof rotatable)[number];

export interface RotateOptions {
  readonly cohort: string;
  /** Default: all. */
  readonly only?: readonly Rotatable[] | undefined;
  readonly json: boolean;
}

/**
 * Gives a learner new credentials, and whoever acts in the learner's lab with them: Flux, the pipeline, the instructor's
 * kubeconfig. The old ones are refused when it returns. Returns the exit code.
 */
export async function rotate(id: string, { cohort: name, only: asked, json }: RotateOptions): Promise<number> {
  const { cohort, learners } = await readCohort(name);
  const outputs = await readOutputs(cohort);
  const only = possible(selectLearner(outputs, id), asked);
  if (!learners.some(({ learner }) => learner.id === id)) {
    throw new LabError(
      "learner-unknown",
      `The file of cohort ${cohort} has no learner "${id}" any more. Nothing was changed. \`./lab up ${cohort}\` removes their lab.`,
      { exitCode: ExitCode.badInput },
    );
  }
  await requireLayout(cohort);
  await requireRunning(cohort, id);

  const inState = rotated.filter((one) => only.includes(one));
  if (inState.length > 0) {
    await askForRotation(cohort, id, inState);
    await carryOut(cohort, id);
  }
  if (only.includes("page")) await endVisits(cohort, id);
  const flux = await awaitFlux(cohort, id, inState);

  if (json) printJson({ schemaVersion: 1, cohort, learner: id, rotated: rotatable.filter((one) => only.includes(one)), flux });
  else print(`${id}: new ${rotatable.filter((one) => only.includes(one)).join(", ")}; the old are refused.`);
  for (const { name: what, trouble } of flux) if (trouble !== undefined) note(`Flux has not used the new credential: ${what}: ${trouble}`);
  note(`\`./lab handout ${id}${cohortOption(cohort)}\` writes the handout anew.`);
  if ((await readServerPort(cohort)) !== undefined) note("The dashboard that runs knows the old credentials: end it and start it again.");
  return flux.some(({ refused }) => refused) ? ExitCode.failed : ExitCode.ok;
}

/** What of it the lab itself gave, and can take back. Throws LabError `rotation-elsewhere` where another was asked for by name. */
function possible({ cluster, git, registry }: LearnerOutputs, asked: readonly Rotatable[] | undefined): readonly Rotatable[] {
  const kinds: Readonly<Record<Rotatable, string>> = {
    kubeconfig: cluster.kind,
    git: git.kind,
    registry: registry.kind,
    page: labHostKind,
  };
  const elsewhere = (asked ?? rotatable).filter((one) => !isOnLabHost({ kind: kinds[one] }));
  if (elsewhere.length === 0) return asked ?? rotatable;
  const sentence = `Of ${elsewhere.map((one) => `${one} (${kinds[one]})`).join(", ")} the credentials are given elsewhere; change them there`;
  if (asked !== undefined)
    throw new LabError(
      "rotation-elsewhere",
      `${sentence}. Nothing was changed. \`./lab rotate <learner>\` without \`--only\` changes what the lab itself gave.`,
      { exitCode: ExitCode.badInput },
    );
  note(`${sentence}. The others are changed now.`);
  return rotatable.filter((one) => !elsewhere.includes(one));
}

/** Throws LabError where a part of the lab that must take the new credentials is stopped. */
async function requireRunning(cohort: string, id: string): Promise<void> {
  const own = (await processStatus(cohort)).filter(({ owner }) => owner === id);
  if ((await isDaemonUp(cohort)) && own.every(({ state }) => state === "running")) return;
  throw new LabError(
    "lab-paused",
    `The lab of ${id} does not run as a whole, and what stands still can't take new credentials. Nothing was changed. \`./lab status ${cohort}\` shows it; bring it back with \`./lab start ${cohort}\`.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}

/** All credentials of one learner took 24 s on a busy machine. */
const rotationSeconds = 20;

async function carryOut(cohort: string, id: string): Promise<void> {
  const stack = await findStack(cohort);
  if (stack === undefined) throw await notUp(cohort);
  const target = [...(await learnerResources(stack, id))];
  await runOnLearner({
    command: "rotate",
    stack,
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

/** Lets Flux look with what it was given, and tells how that went. */
async function awaitFlux(cohort: string, id: string, which: readonly Rotated[]): Promise<readonly Reconciled[]> {
  const { adminKubeconfig } = selectLearner(await readOutputs(cohort), id).cluster;
  return awaitNewCredential(adminKubeconfig, { git: which.includes("git"), registry: which.includes("registry") });
}
