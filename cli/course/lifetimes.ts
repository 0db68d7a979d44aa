import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { creationTime } from "../../ledger/creation.ts";
import { LabError } from "../../shared/errors.ts";
import { labHome, cohortPaths } from "../../shared/paths.ts";
import { readCohort } from "../cohort-file.ts";
import { expiries, type Expiry } from "./expiry.ts";

/** The cohorts that have something on this machine. */
export async function cohortsOnHost(): Promise<string[]> {
  return (await readdir(join(labHome(), "cohorts")).catch(() => [])).sort();
}

/**
 * When a cohort on this machine and its learners end, by the cohort file as it is now. Throws LabError where no file
 * tells how long, or nothing on the host since when.
 */
export async function requireExpiries(cohort: string, now: Date = new Date()): Promise<Expiry[]> {
  const paths = cohortPaths(cohort);
  const { ttl, learnerTtls } = await readCohort(cohort);
  const createdAt = await creationTime(paths);
  if (createdAt === undefined) {
    throw new LabError(
      "creation-unknown",
      `When cohort ${cohort} was made is not noted on this machine, so it never ends by itself. Remove it with \`./lab down ${cohort}\` when its time is over.`,
    );
  }
  const learners = await Promise.all(
    Object.entries(learnerTtls).map(async ([id, own]) => {
      const made = await creationTime(paths, id);
      return made === undefined ? [] : [{ id, createdAt: made, ttl: own }];
    }),
  );
  return expiries({ cohort, createdAt, ttl, learners: learners.flat() }, now);
}

/** The same, with nothing where it can't be told. */
export async function expiriesOf(cohort: string): Promise<Expiry[]> {
  try {
    return await requireExpiries(cohort);
  } catch (error) {
    if (error instanceof LabError) return [];
    throw error;
  }
}
