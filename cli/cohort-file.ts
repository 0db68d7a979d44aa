import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDocument } from "yaml";
import { ExitCode, LabError } from "../shared/errors.ts";
import { readIfExists } from "../shared/private-files.ts";
import { parseCohortFile, parseCohortName } from "../stacks/load-spec.ts";
import { planCohort, type CohortPlan } from "../stacks/plan.ts";

/** The folder with Pulumi.yaml. */
export const projectFolder = fileURLToPath(new URL("..", import.meta.url));

const stacks = join(projectFolder, "stacks");
const fileOf = (cohort: string) => join(stacks, `Pulumi.${cohort}.yaml`);

/** The cohorts that have a file. */
export async function cohortNames(): Promise<string[]> {
  return (await readdir(stacks)).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []).sort();
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
  return planCohort(cohort, parseCohortFile(text, `stacks/Pulumi.${cohort}.yaml`));
}

/** Takes out the salt that Pulumi wrote for a stack that is no more, so that the file is as the instructor left it. */
export async function forgetEncryptionSalt(cohort: string): Promise<void> {
  const text = await readFile(fileOf(cohort), "utf8").catch(() => undefined);
  if (text === undefined) return;
  const document = parseDocument(text);
  if (document.delete("encryptionsalt")) await writeFile(fileOf(cohort), text.replace(/^encryptionsalt:.*\n?/m, ""));
}
