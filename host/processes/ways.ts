import { createHash } from "node:crypto";
import { join } from "node:path";
import type { CohortPaths } from "../../shared/paths.ts";

/** Folder of the sockets on which the learners' rooms reach what the lab serves. */
export const waysFolder = (paths: CohortPaths) => join(paths.root, "ways");

/**
 * The Unix socket on which one learner's room reaches that learner's repositories (`http`) or images (`registry`), and to
 * nothing else. Named by a hash, for a learner's id may be longer than the 107 bytes of a socket's path leave room for.
 */
export function learnerWay(paths: CohortPaths, learner: string, kind: "http" | "registry"): string {
  const name = createHash("sha256").update(learner).digest("hex").slice(0, 10);
  return join(waysFolder(paths), `${name}.${kind === "http" ? "h" : "r"}`);
}
