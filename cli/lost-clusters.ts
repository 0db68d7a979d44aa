import { clusterProviders } from "../clusters/providers.ts";
import { listenerOn } from "../ledger/listeners.ts";
import { portsOf } from "../ledger/ports.ts";
import { isOnLabHost } from "../shared/on-lab-host.ts";
import { pluginChoice } from "../tools/plugin-choice.ts";
import type { StateSummary } from "./stack.ts";

/** Pulumi types of the clusters that are processes of this machine. */
const onThisMachine = clusterProviders.filter(isOnLabHost).map(({ type }) => type);

/** With this variable both Kubernetes plugins take the objects of a cluster that they can't reach for gone. */
export const deleteUnreachable = "PULUMI_K8S_DELETE_UNREACHABLE";

/**
 * Whether a look at what there is has to be told that unreachable clusters are gone. The stand-in is told so for good by
 * the provider of an embedded cluster, since it knows refused credentials from a dead address. The official plugin does
 * not: it is told only where nobody listens at a learner's API server, and never where a learner has a cluster elsewhere,
 * which the same word would count as gone.
 */
export async function mustGiveUpLost(cohort: string, { learners }: Pick<StateSummary, "learners">): Promise<boolean> {
  if (pluginChoice("kubernetes").implementation === "fallback") return false;
  const withCluster = [...learners].filter(([, urns]) => urns.some((urn) => urn.includes("gitops-lab:cluster:")));
  if (withCluster.some(([, urns]) => !urns.some((urn) => onThisMachine.some((type) => urn.includes(type))))) return false;
  for (const [learner] of withCluster) {
    const owner = `${cohort}/${learner}`;
    const port = (await portsOf(owner))[`${owner}/api`];
    if (port === undefined || listenerOn(port) === undefined) return true;
  }
  return false;
}
