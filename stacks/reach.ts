import { clusterProvider } from "../clusters/providers.ts";
import { ownAddresses } from "../host/doors/address.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { isOnLabHost, labHostKind } from "../shared/on-lab-host.ts";
import type { CohortPlan } from "./plan.ts";

/**
 * Refuses what could not work: Flux in a cluster of its own fetches from Git and looks at the registry from there, and what
 * is embedded listens on this machine's loopback. Where the cohort is opened, nodes of kind reach it, which the lab itself
 * makes and gives the cohort's authority. Throws LabError `out-of-reach`.
 */
export function requireReach({ learners, opening }: Pick<CohortPlan, "learners" | "opening">): void {
  const faults = learners.flatMap(({ learner, cluster, git, registry }) => {
    const { reach } = clusterProvider(cluster.kind).place;
    if (reach === "loopback" || (reach === "door" && opening !== undefined)) return [];
    const here = [isOnLabHost(git) ? "`git`" : "", isOnLabHost(registry) ? "`registry`" : ""].filter(Boolean).join(" and ");
    return here === "" ? [] : [{ id: learner.id, kind: cluster.kind, reach, here }];
  });
  const first = faults.find(({ reach }) => reach === "none") ?? faults[0];
  if (first === undefined) return;
  const who = faults.length === 1 ? `learner ${first.id}` : `learner ${first.id} and ${faults.length - 1} more`;
  const [address] = ownAddresses();
  const elsewhere = `Choose a Git host and a registry that are reached from the cluster, or \`cluster: {kind: ${labHostKind}}\`; docs/clusters.md says which go together.`;
  const remedy =
    first.reach === "door"
      ? `Open the cohort to the nodes: put \`access: {listen: ${address ?? "<address>"}}\` beside \`cluster\` in the cohort file${address === undefined ? ", with an address of this machine that is not loopback" : " (any address of this machine that is not loopback does; other machines do not reach Docker's own, mostly 172.17.0.1)"}. ${elsewhere.replace("Choose", "Or choose")}`
      : `\`access\` would not help: what it opens has a certificate of the cohort's own authority, which nodes that the lab does not make do not trust. ${elsewhere}`;
  throw new LabError(
    "out-of-reach",
    `The cluster of ${who} (${first.kind}) has no way to what is embedded: ${first.here} would listen on this machine's loopback, where pods elsewhere do not get. Nothing was created. ${remedy}`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}
