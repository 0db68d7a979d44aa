import * as pulumi from "@pulumi/pulumi";
import { chooseFor } from "./clusters/upkeep.ts";
import { requireLayout } from "./ledger/creation.ts";
import { requireImageNames } from "./host/git/image-names.ts";
import { LabError } from "./shared/errors.ts";
import { createCohort } from "./stacks/cohort.ts";
import { readGenerations } from "./stacks/generations.ts";
import { preflightGit } from "./stacks/git-preflight.ts";
import { lookForRoom, requireRooms } from "./stacks/isolation.ts";
import { clustersOf } from "./stacks/cohort-spec.ts";
import { parseCohort, parseCohortName } from "./stacks/load-spec.ts";
import { noteBeginnings, readBeginnings } from "./stacks/lifetimes.ts";
import { planCohort } from "./stacks/plan.ts";
import { requireReach } from "./stacks/reach.ts";
import { cohortPaths } from "./shared/paths.ts";

async function main(): Promise<pulumi.Inputs> {
  const cohort = parseCohortName(pulumi.getStack());
  const spec = parseCohort(new pulumi.Config().getObject("cohort"), `stacks/Pulumi.${cohort}.yaml`);
  const paths = cohortPaths(cohort);
  const { nodes } = await chooseFor(cohort, clustersOf(spec));
  const plan = planCohort(cohort, spec, {
    nodes,
    room: await lookForRoom(spec),
    generations: await readGenerations(paths, spec),
    beginnings: await readBeginnings(paths, spec),
  });
  requireReach(plan);
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
