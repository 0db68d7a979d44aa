import { tokenEnd, withToken } from "../../shared/kubeconfig.ts";
import type { Driver } from "../driver.ts";
import { clusterClient } from "../kubernetes/client.ts";

export interface LearnerTokenInput {
  readonly learner: string;
  /** Another cluster has other tokens. */
  readonly clusterId: string;
  /** The administrator's. */
  readonly kubeconfig: string;
  /** Namespace of the learner's service account. */
  readonly namespace: string;
  /** When the lab ends (ISO 8601), and with it the token, unless the cluster ends it sooner. */
  readonly until: string;
}

export interface LearnerTokenOutput {
  readonly learner: string;
  /** The learner's. */
  readonly learnerKubeconfig: string;
}

/**
 * The learner's own access to a cluster that signs no certificates for us: a bound token of a service account, which the
 * API server lets end. Once it has, `./lab up` makes another.
 */
export const learnerToken: Driver<LearnerTokenInput, LearnerTokenOutput, "learner-token"> = {
  name: "learner-token",
  replaceOn: ["clusterId"],

  async ensure({ learner, kubeconfig, namespace, until }) {
    const cluster = clusterClient(kubeconfig);
    await cluster.applyServiceAccount(namespace, learner);
    // The API knows no token of less than ten minutes.
    const seconds = Math.max(600, Math.ceil((Date.parse(until) - Date.now()) / 1000));
    const { token } = await cluster.issueToken(namespace, learner, seconds);
    return { id: `${learner}/token`, output: { learner, learnerKubeconfig: withToken(kubeconfig, learner, token) } };
  },

  async read(_id, output) {
    const ends = tokenEnd(output.learnerKubeconfig);
    return ends !== undefined && ends.getTime() <= Date.now() ? undefined : output;
  },

  // It goes with the cluster.
  async remove() {},
};
