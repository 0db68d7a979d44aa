import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ExitCode, LabError } from "../shared/errors.ts";
import { readIfExists } from "../shared/private-files.ts";
import { readGenerations } from "../stacks/generations.ts";
import { lookForRoom } from "../stacks/isolation.ts";
import { parseCohortFile, parseCohortName } from "../stacks/load-spec.ts";
import { readBeginnings } from "../stacks/lifetimes.ts";
import { decideNodes } from "../stacks/nodes.ts";
import { planCohort, type CohortPlan } from "../stacks/plan.ts";
import { requireReach } from "../stacks/reach.ts";
import { note } from "./terminal.ts";

/** The folder with Pulumi.yaml. */
export const projectFolder = fileURLToPath(new URL("..", import.meta.url));

const stacks = join(projectFolder, "stacks");
/** Where a cohort's file is. */
export const fileOf = (cohort: string) => join(stacks, `Pulumi.${cohort}.yaml`);

/** The cohorts that have a file. */
export async function cohortNames(): Promise<string[]> {
  return (await readdir(stacks)).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []).sort();
}

/** The text of a cohort's file; undefined where there is none. */
export async function cohortFileText(cohort: string): Promise<string | undefined> {
  return readIfExists(fileOf(cohort));
}

/** Reads and plans a cohort without touching anything. Throws LabError (exit code 2) on any fault in name or file. */
export async function readCohort(name: string): Promise<CohortPlan> {
  const cohort = parseCohortName(name);
  const text = await readIfExists(fileOf(cohort));
  if (text === undefined) {
    throw new LabError(
      "cohort-unknown",
      `There is no cohort "${cohort}": stacks/Pulumi.${cohort}.yaml does not exist. Known cohorts: ${(await cohortNames()).join(", ")}. To make one, copy stacks/Pulumi.demo.yaml.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const spec = parseCohortFile(text, `stacks/Pulumi.${cohort}.yaml`);
  const { nodes, because } = await decideNodes(cohort, spec);
  if (because !== undefined) note(`Pods are simulated: they cannot run for real on this machine. ${because}.`);
  const plan = planCohort(cohort, spec, {
    nodes,
    room: await lookForRoom(spec),
    generations: await readGenerations(cohort, spec),
    beginnings: await readBeginnings(cohort, spec),
  });
  requireReach(plan);
  return plan;
}

/**
 * Runs a Pulumi operation and leaves the cohort file as the instructor wrote it. Pulumi adds the stack's salt to the file
 * and keeps it in the state as well, from where it takes it when the file has none; a salt that was there before stays.
 */
export async function keepingCohortFile<T>(cohort: string, operation: () => Promise<T>): Promise<T> {
  const before = await readIfExists(fileOf(cohort));
  try {
    return await operation();
  } finally {
    const after = await readIfExists(fileOf(cohort));
    // One that was of no use any more was taken out meanwhile.
    if (before !== undefined && after !== undefined && saltIn(after) !== saltIn(before))
      await writeFile(fileOf(cohort), after.replace(salt, ""));
  }
}

const salt = /^encryptionsalt:.*\n?/m;
const saltIn = (text: string) => salt.exec(text)?.[0].trim();
