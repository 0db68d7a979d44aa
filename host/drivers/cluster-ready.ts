import { LabError, messageOf } from "../../shared/errors.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import type { Driver } from "../driver.ts";
import { clusterClient } from "../kubernetes/client.ts";

export interface ClusterReadyInput {
  readonly learner: string;
  /** What the cluster is to its provider; another one is waited for anew. */
  readonly place: string;
  readonly kubeconfig: string;
  readonly timeoutSeconds: number;
}

export interface ClusterReadyOutput {
  readonly learner: string;
  /** Changes only when the cluster is made anew. */
  readonly clusterId: string;
}

/** Waits until a cluster that somebody else made answers to our credential, and learns which one it is. */
export const clusterReady: Driver<ClusterReadyInput, ClusterReadyOutput, "cluster-ready"> = {
  name: "cluster-ready",
  replaceOn: ["place"],
  creationOnly: ["timeoutSeconds"],

  async ensure({ learner, place, kubeconfig, timeoutSeconds }) {
    const cluster = clusterClient(kubeconfig);
    const look = async (): Promise<Look<string>> => {
      try {
        return { done: true, value: await cluster.identity() };
      } catch (error) {
        // A login that is refused is not a cluster that is still being made.
        if (error instanceof LabError && error.code.startsWith("credential-"))
          throw new LabError(
            error.code,
            `Learner ${learner}: could not log in to ${place}. ${error.message} Then run \`./lab up\` again; other learners are not affected.`,
            { cause: error },
          );
        return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
      }
    };
    const clusterId = await waitUntil(look, {
      what: `the API server of learner ${learner} (${place}) to answer`,
      timeoutSeconds,
      intervalMs: 2000,
      remedy:
        "Check your login with the provider's own command line and that `allowedNetworks` holds this machine's address; then run `./lab up` again, which goes on from here.",
    });
    return { id: place, output: { learner, clusterId } };
  },

  /** Out of reach is not gone: whether it is there is for its provider to say. */
  async read(_id, output) {
    return output;
  },

  async remove() {},
};
