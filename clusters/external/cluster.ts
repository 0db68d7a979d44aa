import type { Driver } from "../../host/driver.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { readInventory, recordCreation } from "../../ledger/inventory.ts";
import { labMark } from "../../ledger/lab-mark.ts";
import { connect, UnreachableError } from "../../shared/kube-api.ts";
import { stepFailure } from "../step-failure.ts";
import { isUnreachableGone } from "../unreachable.ts";
import { claimOf, explained, requireFree, take } from "./claim.ts";
import { requireBrought } from "../brought-kubeconfig.ts";
import { externalClusterId, placeOf } from "./look.ts";
import { removeLab } from "./removal.ts";

export interface ExternalClusterInput {
  readonly cohort: string;
  readonly learner: string;
  /** Path of the kubeconfig. */
  readonly kubeconfig: string;
  /** Context in it; without it the current one. */
  readonly context?: string;
  /** Changes when the kubeconfig's content does. */
  readonly version: string;
  /** What the claim is made with, beside the mark. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface ExternalClusterOutput {
  readonly cohort: string;
  readonly learner: string;
  /** Of the lab home that took it. */
  readonly mark: string;
  /** When it was taken, by its own clock: what is older was there before. */
  readonly since: string;
  /** Changes only when it is another cluster. */
  readonly clusterId: string;
  readonly apiServer: string;
  readonly adminKubeconfig: string;
}

/**
 * A learner's hold on a cluster that somebody else made: nothing but a namespace, which says whose the cluster is for the time. With
 * it goes whatever the lab made there. The kubeconfig is read when the hold is taken; from then on the state has its content.
 */
export const externalCluster: Driver<ExternalClusterInput, ExternalClusterOutput, "external-cluster"> = {
  name: "external-cluster",
  replaceOn: ["cohort", "learner", "kubeconfig", "context"],
  optional: ["context"],

  async ensure({ cohort, learner, kubeconfig, context, labels }) {
    const named = { kubeconfig, ...(context !== undefined && { context }) };
    const { server, kubeconfig: adminKubeconfig } = requireBrought(named, learner, `${cohort}-${learner}`);
    const doing = { learner, step: `take the cluster ${server}` };
    const claim = { cohort, learner, mark: await labMark(), server };
    try {
      const api = connect(adminKubeconfig);
      const clusterId = await clusterClient(adminKubeconfig).identity();
      const thing = { kind: "external-cluster", id: externalClusterId(named, clusterId), learner, name: server, mark: claim.mark } as const;
      const earlier = (await readInventory(cohort)).find(
        (item) =>
          item.kind === "external-cluster" && item.learner === learner && placeOf(item.id) === placeOf(thing.id) && item.id !== thing.id,
      );
      if (earlier !== undefined)
        throw stepFailure(doing, {
          code: "external-moved",
          what: `${kubeconfig} leads to another cluster than the one where the learner's lab is (${earlier.name ?? "?"}), and the lab there would be left behind`,
          remedy: `Put the old kubeconfig back and name the new one by another file, or take the learner out of the cohort file first and run \`./lab up ${cohort}\``,
        });
      await requireFree(api, claim);
      await recordCreation(cohort, thing);
      const taken = await take(api, claim, labels);
      const since = taken.metadata.creationTimestamp;
      return {
        id: `${cohort}/${learner}/${clusterId}`,
        output: { cohort, learner, mark: claim.mark, since, clusterId, apiServer: server, adminKubeconfig },
      };
    } catch (error) {
      throw explained(error, doing);
    }
  },

  /** Out of reach is not gone, unless the run was told so. */
  async read(_id, output) {
    try {
      return (await claimOf(connect(output.adminKubeconfig), output)) === undefined ? undefined : output;
    } catch (error) {
      if (error instanceof UnreachableError && isUnreachableGone()) return undefined;
      throw error;
    }
  },

  async remove(_id, output) {
    const { learner, apiServer, adminKubeconfig, since } = output;
    try {
      await removeLab(connect(adminKubeconfig), output, since);
    } catch (error) {
      // What is left there is told by the inventory.
      if (error instanceof UnreachableError && isUnreachableGone()) return;
      throw explained(error, { learner, step: `leave the cluster ${apiServer} as it was` });
    }
  },
};
