import { LabError, messageOf } from "../../shared/errors.ts";
import { fluxNamespace, type Environment } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";
import type { Driver } from "../driver.ts";
import { healthCheckNudge } from "../flux/health-check-nudge.ts";
import { lookAtHandOver, type HandOver } from "../flux/hand-over.ts";
import { oneLook } from "../flux/one-look.ts";
import { leanKubeReader } from "../kubernetes/reader.ts";
import { clusterClient } from "../kubernetes/client.ts";

export interface FluxReadyInput {
  readonly learner: string;
  /** Another cluster is to be waited for anew. */
  readonly clusterId: string;
  /** Another repository likewise. */
  readonly seedCommit: string;
  readonly kubeconfig: string;
  readonly git: LearnerOutputs["git"];
  /** The environments in the order of promotion. */
  readonly order: readonly Environment[];
  readonly timeoutSeconds: number;
}

export type FluxReadyOutput = HandOver;

/** Waits until Flux has brought the whole lab up; at the deadline says what is missing, with the cluster's own events. */
export const fluxReady: Driver<FluxReadyInput, FluxReadyOutput, "flux-ready"> = {
  name: "flux-ready",
  replaceOn: [],
  // Credentials change in a lab that a learner is at work in, where there is nothing to wait for.
  creationOnly: ["timeoutSeconds", "kubeconfig", "git"],

  async ensure(input) {
    const kube = leanKubeReader(input.kubeconfig);
    const nudge = healthCheckNudge(clusterClient(input.kubeconfig));
    const look = async (): Promise<Look<HandOver>> => {
      try {
        const now = oneLook(kube);
        await nudge(now, input.order);
        return await lookAtHandOver(now, input.git, input.order);
      } catch (error) {
        return { done: false, because: messageOf(error).split("\n")[0] ?? "" };
      }
    };
    try {
      const output = await waitUntil(look, {
        what: `Flux to bring up the lab of learner ${input.learner}`,
        timeoutSeconds: input.timeoutSeconds,
        intervalMs: 500,
        remedy: "Run `./lab up` again to go on waiting.",
      });
      return { id: input.learner, output };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      throw new LabError(error.code, `${error.message}${await recentWarnings(kube, input.order)}`, { cause: error });
    }
  },

  async read(_id, output) {
    return output;
  },

  async remove() {},
};

/** The newest warnings that the cluster itself recorded, as a closing part of a message. */
async function recentWarnings(kube: KubeReader, namespaces: readonly string[]): Promise<string> {
  try {
    const events = (await Promise.all([fluxNamespace, ...namespaces].map((namespace) => kube.list("v1", "Event", namespace)))).flat() as {
      type?: string;
      lastTimestamp?: string;
      reason?: string;
      message?: string;
      involvedObject?: { kind?: string; name?: string };
    }[];
    const warnings = events
      .filter(({ type }) => type === "Warning")
      .sort((a, b) => (b.lastTimestamp ?? "").localeCompare(a.lastTimestamp ?? ""))
      .slice(0, 5)
      .map(({ involvedObject, reason, message }) => `${involvedObject?.kind} ${involvedObject?.name}: ${reason}: ${message}`);
    return warnings.length === 0 ? "" : ` The cluster's newest warnings: ${warnings.join(" | ")}`;
  } catch {
    return "";
  }
}
