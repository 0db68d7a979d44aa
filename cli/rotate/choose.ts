import { isDaemonUp, processStatus } from "../../host/processes/client.ts";
import { requireLayout } from "../../ledger/creation.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { isOnLabHost, labHostKind } from "../../shared/on-lab-host.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { note } from "../terminal.ts";
import { handedOver, rotatable, type Rotatable, type Run } from "./run.ts";

/** Reads what the last bring-up handed over. Throws LabError where there was none. */
export async function readHandedOver(run: Run): Promise<void> {
  run.outputs = await readOutputs(run.plan.cohort);
}

/**
 * Chooses what the lab itself gave, and can take back. Throws LabError `learner-unknown`, and `rotation-elsewhere` where another
 * was asked for by name.
 */
export async function choosePossible(run: Run): Promise<void> {
  const { asked, id } = run;
  const { cluster, git, registry } = selectLearner(handedOver(run), id);
  const kinds: Readonly<Record<Rotatable, string>> = {
    kubeconfig: cluster.kind,
    git: git.kind,
    registry: registry.kind,
    page: labHostKind,
  };
  const elsewhere = (asked ?? rotatable).filter((one) => !isOnLabHost({ kind: kinds[one] }));
  run.only = asked ?? rotatable.filter((one) => !elsewhere.includes(one));
  if (elsewhere.length === 0) return;
  const sentence = `Of ${elsewhere.map((one) => `${one} (${kinds[one]})`).join(", ")} the credentials are given elsewhere; change them there`;
  if (asked !== undefined)
    throw new LabError(
      "rotation-elsewhere",
      `${sentence}. Nothing was changed. \`./lab rotate <learner>\` without \`--only\` changes what the lab itself gave.`,
      { exitCode: ExitCode.badInput },
    );
  note(`${sentence}. The others are changed now.`);
}

/** Throws LabError (exit code 2) for who has left the cohort file. */
export async function requireInFile({ plan: { cohort, learners }, id }: Run): Promise<void> {
  if (learners.some(({ learner }) => learner.id === id)) return;
  throw new LabError(
    "learner-unknown",
    `The file of cohort ${cohort} has no learner "${id}" any more. Nothing was changed. \`./lab up ${cohort}\` removes their lab.`,
    { exitCode: ExitCode.badInput },
  );
}

/** Throws LabError (exit code 2) where another version of this program made the lab in a way that this one can't take over. */
export async function requireSameLayout({ paths }: Run): Promise<void> {
  await requireLayout(paths);
}

/** Throws LabError (exit code 2) where a part of the lab that must take the new credentials is stopped. */
export async function requireRunning({ paths, id }: Run): Promise<void> {
  const own = (await processStatus(paths)).filter(({ owner }) => owner === id);
  if ((await isDaemonUp(paths)) && own.every(({ state }) => state === "running")) return;
  throw new LabError(
    "lab-paused",
    `The lab of ${id} does not run as a whole, and what stands still can't take new credentials. Nothing was changed. \`./lab status ${paths.cohort}\` shows it; bring it back with \`./lab start ${paths.cohort}\`.`,
    { exitCode: ExitCode.badInput },
  );
}
