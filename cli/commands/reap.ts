import { join, relative, resolve } from "node:path";
import { isDaemonUp, pauseProcesses, processStatus } from "../../host/processes/client.ts";
import { awaitLookAfterStart } from "../../host/flux/reconcile-now.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { verdict } from "../../verification/verdict.ts";
import { verifyLearner } from "../../verification/verify.ts";
import type { Expiry } from "../course/expiry.ts";
import { cohortsOnHost, requireExpiries } from "../course/lifetimes.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { tellReceipt, writeReceipt } from "../receipts.ts";
import { note, print, printJson } from "../terminal.ts";
import { archiveFile, archiveName, writeArchive } from "./archive.ts";
import { removeCohort } from "../tear-down/tear-down.ts";
import { bringBack } from "./processes.ts";
import { cohortPaths } from "../../shared/paths.ts";

export interface ReapOptions {
  readonly dryRun: boolean;
  /** Folder for the archives. */
  readonly out: string;
  readonly json: boolean;
}

interface Reaped extends Expiry {
  readonly action: "remove" | "pause";
  readonly archive?: string;
  readonly fingerprint?: string;
  /** The receipt of the teardown, beside the archive. */
  readonly receipt?: string;
  /** Why it was not done; what was not done is as it was. */
  readonly failed?: string;
}

/**
 * Archives what has lived longer than its time, then removes it (a cohort) or pauses it (a learner). What can't be
 * archived stays. Returns the exit code: 1 when something stays that should go.
 */
export async function reap({ dryRun, out, json }: ReapOptions): Promise<number> {
  const ends: Expiry[] = [];
  const untold: string[] = [];
  for (const cohort of await cohortsOnHost()) {
    try {
      ends.push(...(await requireExpiries(cohort)));
    } catch (error) {
      untold.push(reasonOf(error));
    }
  }
  const reaped: Reaped[] = [];
  for (const expiry of await due(ends)) {
    const action = expiry.learner === undefined ? "remove" : "pause";
    reaped.push({ ...expiry, action, ...(dryRun ? {} : await reapOne(expiry, out)) });
  }
  const soon = ends.filter(({ state }) => state === "soon");
  if (json) printJson({ schemaVersion: 1, dryRun, reaped, soon, untold });
  else {
    for (const one of reaped) print(lineOf(one, dryRun));
    if (reaped.length === 0) print("Nothing is past its time.");
    for (const one of soon) note(`${nameOf(one)} ends at ${one.endsAt}.`);
    for (const reason of untold) note(reason);
  }
  return untold.length > 0 || reaped.some(({ failed }) => failed !== undefined) ? ExitCode.failed : ExitCode.ok;
}

/** What is over; of a cohort that is, not its learners, and no learner who does not run. */
async function due(ends: readonly Expiry[]): Promise<Expiry[]> {
  const over = ends.filter(({ state }) => state === "over");
  const whole = new Set(over.flatMap(({ cohort, learner }) => (learner === undefined ? [cohort] : [])));
  const wanted = await Promise.all(
    over.map(async (expiry) => {
      const { cohort, learner } = expiry;
      if (learner === undefined) return [expiry];
      if (whole.has(cohort)) return [];
      const runs = (await processStatus(cohortPaths(cohort))).some(({ owner, state }) => owner === learner && state !== "paused");
      return runs ? [expiry] : [];
    }),
  );
  return wanted.flat();
}

async function reapOne({ cohort, learner }: Expiry, out: string): Promise<Pick<Reaped, "archive" | "fingerprint" | "receipt" | "failed">> {
  const paths = cohortPaths(cohort);
  const file = join(out, archiveName(cohort, ...(learner === undefined ? [] : [learner])));
  try {
    const target = archiveFile(file);
    const outputs = await readOutputs(cohort);
    const learners = learner === undefined ? Object.values(outputs.learners) : [selectLearner(outputs, learner)];
    // Evidence is looked at live, so what was stopped or paused must run for it.
    if (learner === undefined || !(await isDaemonUp(paths))) {
      await bringBack(cohort, learner);
      // Of a cohort that ends, also who is paused.
      for (const { id } of learner === undefined ? learners : []) await bringBack(cohort, id);
      await settled(outputs, learners);
    }
    note(`Archiving ${nameOf({ cohort, ...(learner && { learner }) })}.`);
    const { fingerprint, unobserved } = await writeArchive(outputs, learners, target, 60);
    const archive = relative("", resolve(file));
    if (unobserved.length > 0) {
      return {
        archive,
        fingerprint,
        failed: `The evidence of ${unobserved.join(", ")} could not be looked at as a whole, so nothing was removed. \`./lab status ${cohort}\` shows what does not run; \`./lab down ${cohort}\` removes the cohort all the same.`,
      };
    }
    if (learner !== undefined) await pauseProcesses(paths, learner);
    if (learner !== undefined) return { archive, fingerprint };
    const teardown = await removeCohort(cohort);
    const receipt = archive.replace(/\.tar\.gz$/, ".receipt.json");
    await writeReceipt(resolve(receipt), teardown);
    tellReceipt(teardown, note);
    return {
      archive,
      fingerprint,
      receipt,
      ...(teardown.result !== "zero" && {
        failed: `Something of cohort ${cohort} is left over, as ${receipt} says. Run \`./lab down ${cohort}\` again.`,
      }),
    };
  } catch (error) {
    return { failed: reasonOf(error) };
  }
}

/** Labs that were just started take a moment. Evidence that fails for another reason is archived as it is. */
async function settled({ cohort, template }: CohortOutputs, learners: readonly LearnerOutputs[]): Promise<void> {
  const { evidence, environments } = labTemplate(template);
  await Promise.all(learners.map(({ cluster }) => awaitLookAfterStart(cluster.adminKubeconfig, environments)));
  const look = async (): Promise<Look<void>> => {
    const verdicts = await Promise.all(learners.map(async (one) => verdict(await verifyLearner(one, evidence, environments))));
    return verdicts.every((one) => one === "pass")
      ? { done: true, value: undefined }
      : { done: false, because: `the evidence says ${verdicts.join(", ")}.` };
  };
  const options = {
    what: `the labs of cohort ${cohort} to be well again`,
    timeoutSeconds: 60,
    intervalMs: 1000,
    remedy: `\`./lab verify --cohort ${cohort}\` shows what is not.`,
  };
  await waitUntil(look, options).catch((error: unknown) => note(reasonOf(error)));
}

function lineOf(one: Reaped, dryRun: boolean): string {
  const { endsAt, action, archive, fingerprint, failed } = one;
  if (failed !== undefined) return `${nameOf(one)}, whose time ended at ${endsAt}, stays: ${failed}`;
  if (dryRun) return `${nameOf(one)}, whose time ended at ${endsAt}, would be archived and ${action}d`;
  return `${nameOf(one)}, whose time ended at ${endsAt}, is archived in ${archive} (fingerprint ${fingerprint}) and ${action}d`;
}

function nameOf({ cohort, learner }: Pick<Expiry, "cohort" | "learner">): string {
  return learner === undefined ? `cohort ${cohort}` : `learner ${learner} of cohort ${cohort}`;
}

/** One cohort's failure must not keep the others from their end; a defect is none of these. */
function reasonOf(error: unknown): string {
  if (error instanceof LabError) return error.message;
  throw error;
}
