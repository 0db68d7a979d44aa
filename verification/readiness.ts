import type { Environment } from "../shared/names.ts";
import { fluxNamespace } from "../shared/names.ts";
import { FluxObject, nameOf } from "./live-objects.ts";

/**
 * Why a Flux object is not ready, as a sentence; undefined when it is: not suspended, its last change seen by the
 * controller, and Ready True.
 */
export function notReady(object: FluxObject): string | undefined {
  const name = nameOf(object);
  const { generation } = object.metadata;
  const { observedGeneration, conditions } = object.status;
  if (object.spec.suspend) return `${name} is suspended.`;
  const ready = conditions.find(({ type }) => type === "Ready");
  if (!ready) return `${name} has not reported whether it is ready.`;
  if (ready.status !== "True") return `${name} is not ready: ${ready.reason}: ${sentence(ready.message)}`;
  if (observedGeneration !== generation) {
    return `${name} is at generation ${generation}, its controller has seen ${observedGeneration ?? "none"}.`;
  }
  return undefined;
}

/** Whether the object's controller is at work on it now, so that it has no outcome yet. */
export function isInProgress({ spec, status }: FluxObject): boolean {
  const ready = status.conditions.find(({ type }) => type === "Ready");
  return !spec.suspend && ready?.status === "Unknown" && ready.reason === "Progressing";
}

/** The Kustomizations without which there is no promotion. */
export function requiredKustomizations(environments: readonly Environment[]): string[] {
  return [fluxNamespace, ...environments.map(appsKustomization)];
}

export function appsKustomization(environment: Environment): string {
  return `apps-${environment}`;
}

/** An object that must be there before the lab is ready. */
export interface ExpectedObject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * What a lab still waits for, one sentence each; empty when everything is ready.
 *
 * @param objects the live Flux objects, as the API gives them
 * @param expected objects that must be among them; without it, nothing missing can be noticed
 */
export function waitingFor(objects: readonly unknown[], expected: readonly ExpectedObject[]): string[] {
  const live = objects.map((object) => FluxObject.parse(object));
  const missing = expected.filter(
    ({ kind, namespace, name }) =>
      !live.some(({ kind: k, metadata }) => k === kind && metadata.namespace === namespace && metadata.name === name),
  );
  return [
    ...missing.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name} does not exist yet.`),
    ...live.flatMap((object) => notReady(object) ?? []),
  ];
}

function sentence(message: string): string {
  const text = message.trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
