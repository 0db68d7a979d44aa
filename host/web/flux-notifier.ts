import { messageOf } from "../../shared/errors.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { fluxImages, fluxSource } from "../flux/objects.ts";
import { clusterClient, type ClusterClient } from "../kubernetes/client.ts";
import { readPipelineConfig } from "../pipeline/config.ts";
import { log } from "../log.ts";

/** Several pushes within this time (one per environment, say) make one reconcile request. */
const quietMs = 150;

/**
 * Tells a learner's Flux of a push at once, as a webhook receiver would: it annotates the object to reconcile. That is
 * what lets an idle lab poll rarely.
 */
export class FluxNotifier {
  readonly #cohort: string;
  readonly #pending = new Map<string, NodeJS.Timeout>();

  constructor(cohort: string) {
    this.#cohort = cohort;
  }

  gitPushed(learner: string): void {
    this.#soon(`${learner}/git`, learner, (cluster) => cluster.requestReconcile(fluxSource));
  }

  imagePushed(learner: string): void {
    this.#soon(`${learner}/image`, learner, (cluster) => cluster.requestReconcile(fluxImages));
  }

  #soon(key: string, learner: string, request: (cluster: ClusterClient) => Promise<unknown>): void {
    clearTimeout(this.#pending.get(key));
    this.#pending.set(
      key,
      setTimeout(() => {
        this.#pending.delete(key);
        void this.#request(learner, request);
      }, quietMs),
    );
  }

  async #request(learner: string, request: (cluster: ClusterClient) => Promise<unknown>): Promise<void> {
    // Before the cluster is there Flux will look by itself.
    const config = await readPipelineConfig(this.#cohort, learner);
    if (config === undefined) return;
    const look = async (): Promise<Look<unknown>> => {
      try {
        return { done: true, value: await request(clusterClient(config.kubeconfig)) };
      } catch (error) {
        return { done: false, because: messageOf(error).split("\n")[0] ?? "" };
      }
    };
    // An API server that is starting; later, Flux' own interval covers what is missed here.
    const options = {
      what: `Flux of learner ${learner} to be told of a push`,
      timeoutSeconds: 20,
      intervalMs: 1000,
      remedy: "Flux looks by itself at its next interval.",
    };
    await waitUntil(look, options).catch((error: unknown) => log("warn", messageOf(error), { learner }));
  }
}
