/** The label by which a pod is one of a controller's. */
export const componentLabel = "app.kubernetes.io/component";

/**
 * What `flux install` puts on everything of Flux, and `flux check` looks for.
 *
 * @param release of Flux, as `2.9.2`
 * @param component the controller; without it what belongs to none
 */
export function fluxLabels(release: string, component?: string): Record<string, string> {
  return {
    "app.kubernetes.io/instance": "flux-system",
    "app.kubernetes.io/part-of": "flux",
    "app.kubernetes.io/version": `v${release}`,
    ...(component !== undefined && { [componentLabel]: component }),
  };
}
