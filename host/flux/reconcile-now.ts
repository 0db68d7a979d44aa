import { z } from "zod";
import { messageOf } from "../../shared/errors.ts";
import { connect } from "../../shared/kube-api.ts";
import type { Environment } from "../../shared/names.ts";
import { waitUntil } from "../../shared/wait.ts";
import { requiredKustomizations } from "../../verification/readiness.ts";
import { clusterClient, type FluxObjectName } from "../kubernetes/client.ts";
import { fluxImages, fluxKustomization, fluxSource } from "./objects.ts";

/** What came of a look that Flux was asked for. */
export interface Reconciled {
  /** E.g. `gitrepositories/flux-system`. */
  readonly name: string;
  /** Why it did not go well. */
  readonly trouble?: string;
  /** Whether it is the credential that is refused, and not something else that is wrong in this lab. */
  readonly refused: boolean;
}

const Watched = z.object({
  spec: z.object({ suspend: z.boolean().default(false) }),
  status: z
    .object({
      lastHandledReconcileAt: z.string().optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().default("") })).default([]),
    })
    .prefault({}),
});

/** Asks Flux to fetch and to scan now and waits for each, half a minute at most. A learner's lab may be broken on purpose, so nothing is thrown. */
export async function awaitNewCredential(
  kubeconfig: string,
  which: { readonly git: boolean; readonly registry: boolean },
): Promise<Reconciled[]> {
  return Promise.all(
    [...(which.git ? [fluxSource] : []), ...(which.registry ? [fluxImages] : [])].map((object) => reconciled(kubeconfig, object)),
  );
}

/**
 * Asks Flux for a look at everything after its controllers were started, and waits for each. What the objects say before is of
 * the time when they were stopped. Nothing is thrown, as above.
 */
export async function awaitLookAfterStart(kubeconfig: string, environments: readonly Environment[]): Promise<Reconciled[]> {
  return Promise.all(
    [fluxSource, fluxImages, ...requiredKustomizations(environments).map(fluxKustomization)].map((object) =>
      reconciled(kubeconfig, object),
    ),
  );
}

async function reconciled(kubeconfig: string, object: FluxObjectName): Promise<Reconciled> {
  const name = `${object.resource}/${object.name}`;
  try {
    const requestedAt = await clusterClient(kubeconfig).requestReconcile(object);
    const api = connect(kubeconfig);
    const { spec, status } = await waitUntil(
      async () => {
        const found = Watched.parse(
          await api.send({
            method: "GET",
            path: `/apis/${object.apiVersion}/namespaces/${object.namespace}/${object.resource}/${object.name}`,
          }),
        );
        const done = found.spec.suspend || found.status.lastHandledReconcileAt === requestedAt;
        return done ? { done, value: found } : { done, because: "it has not looked." };
      },
      { what: name, timeoutSeconds: 30, intervalMs: 200, remedy: "" },
    );
    if (spec.suspend) return { name, trouble: "it is suspended.", refused: false };
    const ready = status.conditions.find(({ type }) => type === "Ready");
    if (ready?.status === "True") return { name, refused: false };
    const trouble = ready?.message ?? "it has no status.";
    return { name, trouble, refused: /authenti|unauthorized|denied|\b40[13]\b/i.test(trouble) };
  } catch (error) {
    return { name, trouble: messageOf(error), refused: false };
  }
}
