import { keepingCohortFile, readCohort } from "../cohort-file.ts";
import { openStack } from "../stack.ts";
import { note } from "../terminal.ts";
import { installTools } from "../tools.ts";
import { cohortPaths } from "../../shared/paths.ts";

/** Makes a cohort ready for `./lab up` and for plain `pulumi up`: its tools, and its stack. */
export async function setup(name: string): Promise<void> {
  const plan = await readCohort(name);
  const { cohort } = plan;
  await installTools(plan);
  await keepingCohortFile(cohort, () => openStack(cohortPaths(cohort)));
  note(`Ready. \`./lab up ${cohort}\` brings the cohort up; so does \`eval "$(./lab env)"\`, then \`pulumi up -s ${cohort}\`.`);
}
