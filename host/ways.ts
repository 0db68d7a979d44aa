import { createHash } from "node:crypto";
import { join } from "node:path";
import type { CohortPaths } from "../shared/paths.ts";

/**
 * The Unix socket by which a learner's room comes to the learner's own repository and registry tokens (`http`), or to the
 * own images (`registry`). Its name is short: a Unix socket's path has 107 bytes.
 */
export function learnerWay(paths: CohortPaths, learner: string, kind: "http" | "registry"): string {
  const name = createHash("sha256").update(learner).digest("hex").slice(0, 10);
  return join(paths.root, "ways", `${name}.${kind[0]}`);
}
