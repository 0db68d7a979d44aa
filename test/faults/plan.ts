import { tmpdir } from "node:os";
import { join } from "node:path";

/** Which faults are made: `./lab test faults` makes the short set, with `--long` the long one. */
export interface FaultsPlan {
  readonly long: boolean;
  readonly seed: string;
  /** Where the long set goes on, and keeps what came of each trial. */
  readonly results: string | undefined;
  readonly folder: string;
}

export function faultsPlan(env: NodeJS.ProcessEnv = process.env): FaultsPlan {
  const long = env["GITOPS_LAB_FAULTS"] === "long";
  const seed = env["GITOPS_LAB_FAULTS_SEED"] ?? "1";
  const folder = join(tmpdir(), `gl-faults-${seed}${long ? "-long" : `-${process.pid}`}`);
  return { long, seed, results: env["GITOPS_LAB_FAULTS_RESULTS"] ?? (long ? join(folder, "results.jsonl") : undefined), folder };
}
