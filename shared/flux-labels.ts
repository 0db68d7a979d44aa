/**
 * What `flux install` puts on everything of Flux, and `flux check` looks for.
 *
 * @param release of Flux, as `2.9.2`
 */
export function fluxLabels(release: string): Record<string, string> {
  return { "app.kubernetes.io/instance": "flux-system", "app.kubernetes.io/part-of": "flux", "app.kubernetes.io/version": `v${release}` };
}
