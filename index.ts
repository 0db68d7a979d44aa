import * as pulumi from "@pulumi/pulumi";
import { requireLayout } from "./ledger/creation.ts";
import { requireImageNames } from "./host/git/image-names.ts";
import { LabError } from "./shared/errors.ts";
import { createCohort } from "./stacks/cohort.ts";
import { preflightGit } from "./stacks/git-preflight.ts";
import { requireRooms } from "./stacks/isolation.ts";
import { parseCohort, parseCohortName } from "./stacks/load-spec.ts";
import { cohortPaths } from "./shared/paths.ts";
import { planHere } from "./stacks/plan-here.ts";
import { noteBeginnings } from "./stacks/lifetimes.ts";

/*
 * Pulumi notes the stack of every promise, and formats each with a library for source maps; Node runs these sources as they are, so
 * there is none. It took an eighth of the program's time, by its profile.
 */
delete (Error as { prepareStackTrace?: unknown }).prepareStackTrace;

async function main(): Promise<pulumi.Inputs> {
  const cohort = parseCohortName(pulumi.getStack());
  const spec = parseCohort(new pulumi.Config().getObject("cohort"), `stacks/Pulumi.${cohort}.yaml`);
  const paths = cohortPaths(cohort);
  const { plan } = await planHere(paths, spec);
  requireRooms(plan);
  await requireLayout(paths);
  await requireImageNames(plan, paths);
  await preflightGit(plan);
  if (!pulumi.runtime.isDryRun()) await noteBeginnings(plan);
  return createCohort(plan);
}

export default await main().catch((error: unknown) => {
  // A RunError is shown as its message alone; Pulumi gives anything else its stack trace.
  throw error instanceof LabError ? new pulumi.RunError(error.message) : error;
});
