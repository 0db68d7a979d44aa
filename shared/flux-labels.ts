/** The label that says which controller a pod belongs to. */
export const componentLabel = "app.kubernetes.io/component";

/**
 * The labels that `flux install` puts on everything of Flux, and that `flux check` looks for.
 *
 * @param release of Flux, as `2.9.2`
 * @param component the controller; without it, objects that belong to none
 */
export function fluxLabels(release: string, component?: string): Record<string, string> {
  return {
    "app.kubernetes.io/instance": "flux-system",
    "app.kubernetes.io/part-of": "flux",
    "app.kubernetes.io/version": `v${release}`,
    ...(component !== undefined && { [componentLabel]: component }),
  };
}
