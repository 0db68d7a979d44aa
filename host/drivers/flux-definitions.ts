import { fluxLabels } from "../../shared/flux-labels.ts";
import { waitUntil } from "../../shared/wait.ts";
import type { Properties } from "../../shared/json.ts";
import type { Driver } from "../driver.ts";
import { readFluxDefinitions, resourcesPath, type CustomResourceDefinition } from "../flux/definitions.ts";
import { clusterClient } from "../kubernetes/client.ts";

export interface FluxDefinitionsInput {
  readonly learner: string;
  readonly clusterId: string;
  readonly kubeconfig: string;
  /** Of Flux, as `2.9.2`; another one brings other definitions. */
  readonly version: string;
  /** Beside Flux' own; where the cluster stays when the lab goes, they tell what is the lab's. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface FluxDefinitionsOutput {
  /** Names of the CustomResourceDefinitions. */
  readonly names: readonly string[];
}

/**
 * The CRDs of Flux in one cluster. As Pulumi resources of their own they would be three quarters of the state, of which
 * the engine writes all after every step: see docs/decisions.md.
 */
export const fluxDefinitions: Driver<FluxDefinitionsInput, FluxDefinitionsOutput, "flux-definitions"> = {
  name: "flux-definitions",
  replaceOn: ["clusterId"],
  optional: ["labels"],

  async ensure({ learner, clusterId, kubeconfig, version, labels }) {
    const cluster = clusterClient(kubeconfig);
    const definitions = await readFluxDefinitions();
    const labelled = ({ metadata, ...rest }: CustomResourceDefinition) =>
      ({ ...rest, metadata: { ...metadata, labels: { ...fluxLabels(version), ...labels } } }) as Properties;
    await Promise.all(definitions.map((definition) => cluster.applyDefinition(definition.metadata.name, labelled(definition))));
    // Established comes a moment before served.
    await waitUntil(() => cluster.lookServed(definitions.map(resourcesPath)), {
      what: `the Flux kinds in the cluster of learner ${learner}`,
      timeoutSeconds: 60,
      remedy: "Run `./lab up` again; `kubectl get crd` shows them.",
    });
    return { id: `${clusterId}/flux-definitions`, output: { names: definitions.map(({ metadata }) => metadata.name) } };
  },

  async read(_id, output) {
    // What the cluster has is looked at when the lab is brought up or proved; a lost cluster is another resource's to tell.
    return output;
  },

  // They go with the cluster, without which this is not deleted.
  async remove() {},
};
