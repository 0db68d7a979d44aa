import { createHash } from "node:crypto";
import { metadataOf, textOf } from "./manifest.ts";
import type { Properties } from "../../shared/json.ts";
import { toManifest, toOutputs, withSecrets } from "./properties.ts";

/** What Pulumi keeps of an object beside the object, under the official plugin's names: either plugin can go on with it. */
export interface Provenance {
  /** Owner of the applied fields, in the API server's books. */
  readonly fieldManager: string;
  readonly initialApiVersion: string;
}

/** From the state of the last operation; a new resource has none. */
export function provenanceOf(urn: string, state: Properties): Partial<Provenance> & Pick<Provenance, "fieldManager"> {
  const initialApiVersion = textOf(state["__initialApiVersion"]);
  return { fieldManager: textOf(state["__fieldManager"]) ?? fieldManagerOf(urn), ...(initialApiVersion && { initialApiVersion }) };
}

/**
 * The official plugin takes a random suffix. From the URN it stays the same when Pulumi ends between making the object
 * and writing its state, so that the next run knows the object for its own.
 */
function fieldManagerOf(urn: string): string {
  return `pulumi-kubernetes-${createHash("sha256").update(urn).digest("hex").slice(0, 8)}`;
}

/** The outputs: the live object, and the inputs they came from. */
export function stateOf(
  live: Properties,
  inputs: Properties,
  { fieldManager, initialApiVersion }: ReturnType<typeof provenanceOf>,
): Properties {
  const { managedFields: _managedFields, ...metadata } = metadataOf(live);
  const state = {
    ...toOutputs({ ...live, metadata }),
    __inputs: toOutputs(toManifest(inputs)),
    __initialApiVersion: initialApiVersion ?? live["apiVersion"] ?? null,
    __fieldManager: fieldManager,
  };
  return withSecrets(state, { ...inputs, __inputs: inputs });
}
