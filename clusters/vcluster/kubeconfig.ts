import { inStacks } from "../in-stacks.ts";
import type { SharedSpec } from "./spec.ts";

/** Path of the kubeconfig of the cluster below. */
export function kubeconfigOf({ kubeconfig }: Pick<SharedSpec, "kubeconfig">): string {
  return inStacks(kubeconfig);
}
