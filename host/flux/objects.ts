import { fluxNamespace } from "../../shared/names.ts";
import type { FluxObjectName } from "../kubernetes/client.ts";

/** What fetches the learner's repository. */
export const fluxSource: FluxObjectName = {
  apiVersion: "source.toolkit.fluxcd.io/v1",
  resource: "gitrepositories",
  namespace: fluxNamespace,
  name: "flux-system",
};

/** What scans the learner's images. */
export const fluxImages: FluxObjectName = {
  apiVersion: "image.toolkit.fluxcd.io/v1",
  resource: "imagerepositories",
  namespace: fluxNamespace,
  name: "backend",
};

export function fluxKustomization(name: string): FluxObjectName {
  return { apiVersion: "kustomize.toolkit.fluxcd.io/v1", resource: "kustomizations", namespace: fluxNamespace, name };
}
