import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortPlan } from "./plan.ts";

/**
 * Refuses what could not work: Flux in a cluster of its own fetches from Git and looks at the registry from there, and what
 * is embedded listens on this machine's loopback. Throws LabError `out-of-reach`.
 */
export function requireReach({ learners }: CohortPlan): void {
  const faults = learners.flatMap(({ learner, cluster, git, registry }) => {
    if (cluster.kind === "embedded") return [];
    const here = [git.kind === "embedded" ? "`git`" : "", registry.kind === "embedded" ? "`registry`" : ""].filter(Boolean).join(" and ");
    return here === "" ? [] : [{ id: learner.id, kind: cluster.kind, here }];
  });
  const [first] = faults;
  if (first === undefined) return;
  const who = faults.length === 1 ? `learner ${first.id}` : `learner ${first.id} and ${faults.length - 1} more`;
  throw new LabError(
    "out-of-reach",
    `The cluster of ${who} (${first.kind}) has no way to what is embedded: ${first.here} would listen on this machine's loopback, where pods elsewhere do not get. Nothing was created. Choose a Git host and a registry that are reached from the cluster, or \`cluster: {kind: embedded}\`; docs/clusters.md says which go together.`,
    { exitCode: ExitCode.badInput },
  );
}
