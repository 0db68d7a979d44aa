import type { CohortPaths } from "../shared/paths.ts";
import { recordCreation } from "./inventory.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** Tells the inventory of a process, by the mark that it is going to carry, and once it runs by its identity as well. */
export function recordProcess(
  paths: CohortPaths,
  { name, owner }: { readonly name: string; readonly owner: string },
  identity?: ProcessIdentity,
): Promise<void> {
  const id = `${paths.daemon}#${name}`;
  return recordCreation(paths.cohort, {
    kind: "process",
    id,
    name,
    ...(owner !== "cohort" && { learner: owner }),
    ...(identity && { identity }),
  });
}
