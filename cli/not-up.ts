import { inventoriedCohorts } from "../ledger/inventory.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { cohortNames, hasCohortFile } from "./cohort-file.ts";

/**
 * That a cohort is not up, with what there is instead, so that a slip of the pen is seen as one. Exit code 2.
 *
 * @param because goes on from "is not up", as in ", so there is nothing to reset"
 */
export async function notUp(cohort: string, because = ""): Promise<LabError> {
  const here = (await inventoriedCohorts()).filter((other) => other !== cohort);
  const others = here.length === 0 ? "" : ` On this machine ${here.length === 1 ? "is" : "are"}: ${here.join(", ")}.`;
  if (hasCohortFile(cohort))
    return new LabError("cohort-not-up", `Cohort ${cohort} is not up${because}. Run \`./lab up ${cohort}\`.${others}`, {
      exitCode: ExitCode.badInput,
    });
  return new LabError(
    "cohort-not-up",
    `Cohort ${cohort} is not up${because}, and stacks/Pulumi.${cohort}.yaml does not exist. Known cohorts: ${(await cohortNames()).join(", ")}.${others}`,
    { exitCode: ExitCode.badInput },
  );
}
