import { join } from "node:path";
import { z } from "zod";
import { LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";

const Time = z.iso.datetime();
const Runs = z.object({
  schemaVersion: z.literal(1),
  runs: z.array(
    z.object({
      drill: z.string(),
      startedAt: Time,
      hints: z.array(Time),
      checks: z.array(z.object({ at: Time })),
      solvedAt: Time.optional(),
      solverAt: Time.optional(),
      resetAt: Time.optional(),
    }),
  ),
});

export const drillRunsFile = (cohort: string, learner: string) => join(cohortPaths(cohort).learner(learner).root, "drills", "runs.json");

/** A learner's drills, oldest first. Throws LabError `drill-runs-unreadable` for a file that is none of ours. */
export async function readDrillRuns(cohort: string, learner: string): Promise<z.output<typeof Runs>["runs"]> {
  const file = drillRunsFile(cohort, learner);
  const text = await readIfExists(file);
  if (text === undefined) return [];
  try {
    return Runs.parse(JSON.parse(text)).runs;
  } catch (error) {
    throw new LabError("drill-runs-unreadable", `${file} does not hold drill runs in this version's form (schemaVersion 1). Move it away with \`mv\` and run the command again.`, { cause: error });
  }
}
