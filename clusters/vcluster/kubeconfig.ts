import { isAbsolute, join } from "node:path";
import type { SharedSpec } from "./spec.ts";

/** Path of the kubeconfig of the cluster below, which the cohort file names relative to stacks/. */
export function kubeconfigOf({ kubeconfig }: Pick<SharedSpec, "kubeconfig">): string {
  return isAbsolute(kubeconfig) ? kubeconfig : join(import.meta.dirname, "../../stacks", kubeconfig);
}
