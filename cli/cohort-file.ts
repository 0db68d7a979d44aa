import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import writeFileAtomic from "write-file-atomic";
import { parse } from "yaml";
import { ExitCode, LabError } from "../shared/errors.ts";
import { cohortPaths } from "../shared/paths.ts";
import { readPersonText } from "../shared/person-file.ts";
import { readIfExists } from "../shared/private-files.ts";
import { parseCohortFile, parseCohortName } from "../stacks/load-spec.ts";
import type { CohortPlan } from "../stacks/plan.ts";
import { planHere } from "../stacks/plan-here.ts";
import { note } from "./terminal.ts";

/** The folder with Pulumi.yaml. */
export const projectFolder = fileURLToPath(new URL("..", import.meta.url));

const stacks = join(projectFolder, "stacks");
/** Where a cohort's file is, or would be. */
export const cohortFileOf = (cohort: string) => join(stacks, `Pulumi.${cohort}.yaml`);

/** The cohorts that have a file. */
export async function cohortNames(): Promise<string[]> {
  return (await readdir(stacks)).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []).sort();
}

/** Whether a cohort has a file, whatever is in it. */
export function hasCohortFile(cohort: string): boolean {
  return existsSync(cohortFileOf(cohort));
}

/** The text of a cohort's file; undefined where there is none. Throws LabError `cohort-unreadable` (exit code 2) for what is no text. */
export async function cohortFileText(cohort: string): Promise<string | undefined> {
  // Pulumi reads the same file, and writes it.
  const read = readPersonText(cohortFileOf(cohort), "text", { utf16: false });
  if ("text" in read) return read.text;
  if (read.missing) return undefined;
  throw new LabError(
    "cohort-unreadable",
    `The cohort file stacks/Pulumi.${cohort}.yaml ${read.problem}. Nothing was changed. Repair the file and run the command again; stacks/Pulumi.demo.yaml is an example.`,
    { exitCode: ExitCode.badInput },
  );
}

/** Reads and plans a cohort without touching anything. Throws LabError (exit code 2) on any fault in name or file. */
export async function readCohort(name: string): Promise<CohortPlan> {
  const cohort = parseCohortName(name);
  const text = await cohortFileText(cohort);
  if (text === undefined) {
    throw new LabError(
      "cohort-unknown",
      `There is no cohort "${cohort}": stacks/Pulumi.${cohort}.yaml does not exist. Known cohorts: ${(await cohortNames()).join(", ")}. To make one, copy stacks/Pulumi.demo.yaml.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const paths = cohortPaths(cohort);
  const spec = parseCohortFile(text, `stacks/Pulumi.${cohort}.yaml`);
  const { plan, because } = await planHere(paths, spec);
  if (because !== undefined) note(`Pods are simulated: they cannot run for real on this machine. ${because}.`);
  return plan;
}

/**
 * Runs a Pulumi operation and leaves the cohort file as the instructor wrote it. Pulumi adds the stack's salt to the file
 * and keeps it in the state as well, from where it takes it when the file has none. So a salt is in the file only where a
 * run was killed, or plain Pulumi was at work; once its stack is gone, the next one could not be made with it. It stays
 * where the file has a value that was encrypted with it.
 */
export async function keepingCohortFile<T>(cohort: string, operation: () => Promise<T>): Promise<T> {
  await dropSalt(cohort);
  try {
    return await operation();
  } finally {
    await dropSalt(cohort);
  }
}

const salt = /^encryptionsalt:[ \t]*(\S*).*\n?/m;

/** What Pulumi calls the encryption salt, where the text of a cohort file has one. */
export function saltIn(text: string): string | undefined {
  return salt.exec(text)?.[1];
}

/** The same text as the instructor wrote it. */
export const withoutSalt = (text: string): string => text.replace(salt, "");

/** Whether a cohort file holds what only the passphrase opens. */
export function hasSecrets(text: string): boolean {
  try {
    return holdsSecret(parse(text));
  } catch {
    // Rather one too many than one lost.
    return /\bsecure:/.test(text);
  }
}

function holdsSecret(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return "secure" in value || Object.values(value).some(holdsSecret);
}

async function dropSalt(cohort: string): Promise<void> {
  const text = await readIfExists(cohortFileOf(cohort));
  // In one step: a run that is killed here must not cost the instructor's file.
  if (text !== undefined && salt.test(text) && !hasSecrets(text)) await writeFileAtomic(cohortFileOf(cohort), withoutSalt(text));
}
