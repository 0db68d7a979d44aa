import { readServerPort } from "../../dashboard/access.ts";
import { ExitCode } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { readCohort } from "../cohort-file.ts";
import { rotateLearner } from "../rotate/rotate.ts";
import { rotatable, type Rotatable } from "../rotate/run.ts";
import { note, print, printJson } from "../terminal.ts";
import { cohortOption } from "../which-cohort.ts";

export interface RotateOptions {
  readonly cohort: string;
  /** Default: all. */
  readonly only?: readonly Rotatable[] | undefined;
  readonly json: boolean;
}

/** Gives a learner new credentials, and tells which. Returns the exit code: 1 where Flux is refused with its new ones. */
export async function rotate(id: string, { cohort: name, only: asked, json }: RotateOptions): Promise<number> {
  const plan = await readCohort(name);
  const { cohort } = plan;
  const { only, flux } = await rotateLearner({ plan, paths: cohortPaths(cohort), id, asked });
  const done = rotatable.filter((one) => only.includes(one));

  if (json) printJson({ schemaVersion: 1, cohort, learner: id, rotated: done, flux });
  else print(`${id}: new ${done.join(", ")}; the old are refused.`);
  for (const { name: what, trouble } of flux) if (trouble !== undefined) note(`Flux has not used the new credential: ${what}: ${trouble}`);
  note(`\`./lab handout ${id}${cohortOption(cohort)}\` writes the handout anew.`);
  if ((await readServerPort(cohort)) !== undefined) note("The dashboard that runs knows the old credentials: end it and start it again.");
  return flux.some(({ refused }) => refused) ? ExitCode.failed : ExitCode.ok;
}
