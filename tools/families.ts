import { fluxImage, kubernetesReleases } from "./releases.ts";
import type { Arch, Tool } from "./tool.ts";
import { exactly } from "./version-fit.ts";

/* Tools of which several are of one release, or made alike. */

export const kubernetes = "1.36.2";

/** Exact: the control plane's parts, the simulated nodes and the evidence were proved at one version. */
export function kubernetesTool(name: string, digests: { readonly image: string } & Record<Arch, string>) {
  return {
    version: kubernetes,
    probe:
      name === "kubectl"
        ? { args: ["version", "--client"], pattern: /^Client Version: v(\S+)/m }
        : { args: ["--version"], pattern: /^Kubernetes v(\S+)/m },
    fits: exactly(kubernetes),
    downloads: {
      amd64: kubernetesReleases(name, kubernetes, "amd64", digests),
      arm64: kubernetesReleases(name, kubernetes, "arm64", digests),
    },
    build: {
      module: "cluster",
      package: `k8s.io/kubernetes/cmd/${name}`,
      ldflags: kubernetesLdflags(),
    },
  } satisfies Tool;
}

/** What tells a program of Kubernetes its version. */
export function kubernetesLdflags(): string {
  const variables = [
    `k8s.io/component-base/version.gitVersion=v${kubernetes}`,
    "k8s.io/component-base/version.gitMajor=1",
    "k8s.io/component-base/version.gitMinor=36",
    `k8s.io/client-go/pkg/version.gitVersion=v${kubernetes}`,
  ];
  return variables.map((variable) => `-X ${variable}`).join(" ");
}

/** Exact: the CRDs that are applied come from the same modules. */
export function fluxController(name: string, version: string, digest: string) {
  const module = `github.com/fluxcd/${name}`;
  return {
    version,
    probe: { via: "go", args: ["version", "-m"], pattern: new RegExp(`^\\tmod\\t${module}\\tv(\\S+)`, "m") },
    fits: exactly(version),
    downloads: { amd64: [fluxImage(name, digest)], arm64: [fluxImage(name, digest)] },
    build: { module: "cluster", package: module },
  } satisfies Tool;
}
