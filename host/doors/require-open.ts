import { ExitCode, LabError } from "../../shared/errors.ts";
import { updateDoors } from "../processes/client.ts";
import { cohortPaths } from "../../shared/paths.ts";

/** Lets the daemon open what is to be open. Throws LabError `door-shut` where the one of that name can't be. */
export async function requireOpen(cohort: string, name: string): Promise<void> {
  const door = (await updateDoors(cohortPaths(cohort))).find((one) => one.name === name);
  if (door?.trouble === undefined) return;
  throw new LabError(
    "door-shut",
    `\`access.listen\` of cohort ${cohort} opens ${door.listen}:${door.port} (${name}), and that failed: ${door.trouble}. Mend that or change \`access\` in the cohort file, and run \`./lab up ${cohort}\`.`,
    {
      exitCode: ExitCode.failed,
    },
  );
}
