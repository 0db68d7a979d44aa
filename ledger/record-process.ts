import { cohortPaths } from "../shared/paths.ts";
import { recordCreation } from "./inventory.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** Tells the inventory of a process, by the mark that it is going to carry, and once it runs by its identity as well. */
export function recordProcess(
  cohort: string,
  { name, owner }: { readonly name: string; readonly owner: string },
  identity?: ProcessIdentity,
): Promise<void> {
  const id = `${cohortPaths(cohort).daemon}#${name}`;
  return recordCreation(cohort, {
    kind: "process",
    id,
    name,
    ...(owner !== "cohort" && { learner: owner }),
    ...(identity && { identity }),
  });
}
