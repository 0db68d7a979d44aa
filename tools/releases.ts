import type { Arch, Download, FileRelease, ImageRelease } from "./tool.ts";

/* Where the projects publish what they built; the digests stand with each tool in tools/manifest.ts. */

export function kubernetesReleases(
  name: string,
  version: string,
  arch: Arch,
  digests: { readonly image: string } & Record<Arch, string>,
): readonly Download[] {
  // As the Dockerfiles below build/server-image have it.
  const file = name === "kubectl" ? "bin/kubectl" : `usr/local/bin/${name}`;
  return [
    { image: `https://registry.k8s.io/${name}`, digest: digests.image, file },
    { url: `https://dl.k8s.io/release/v${version}/bin/linux/${arch}/${name}`, sha256: digests[arch] },
  ];
}

export function fluxImage(name: string, digest: string): ImageRelease {
  return { image: `https://ghcr.io/fluxcd/${name}`, digest, file: `usr/local/bin/${name}` };
}

export function fluxCliRelease(arch: Arch, sha256: string): FileRelease {
  return { url: `https://github.com/fluxcd/flux2/releases/download/v2.9.2/flux_2.9.2_linux_${arch}.tar.gz`, sha256, members: ["flux"] };
}

export function helmRelease(arch: Arch, sha256: string): FileRelease {
  return { url: `https://get.helm.sh/helm-v4.2.4-linux-${arch}.tar.gz`, sha256, members: [`linux-${arch}/helm`] };
}

export function kindRelease(arch: Arch, sha256: string): FileRelease {
  return { url: `https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/kind-linux-${arch}`, sha256 };
}

/** v0.8.0 */
export const kwokImage: ImageRelease = {
  image: "https://registry.k8s.io/kwok/kwok",
  digest: "sha256:6d25aa8fbdfe78845423160bf125b5513f9522e2770981f0945c2a250c2b26f0",
  file: "usr/local/bin/kwok",
};

export function etcdRelease(arch: Arch, sha256: string): FileRelease {
  const name = `etcd-v3.6.8-linux-${arch}`;
  return { url: `https://github.com/etcd-io/etcd/releases/download/v3.6.8/${name}.tar.gz`, sha256, members: [`${name}/etcd`] };
}

export function kwokRelease(arch: Arch, sha256: string): FileRelease {
  return { url: `https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok-linux-${arch}`, sha256 };
}

export function pulumiRelease(arch: string, sha256: string): FileRelease {
  return {
    url: `https://github.com/pulumi/pulumi/releases/download/v3.259.0/pulumi-v3.259.0-linux-${arch}.tar.gz`,
    sha256,
    members: ["pulumi/pulumi", "pulumi/pulumi-language-nodejs"],
  };
}

export function registryRelease(arch: Arch, sha256: string): FileRelease {
  return {
    url: `https://github.com/distribution/distribution/releases/download/v3.1.2/registry_3.1.2_linux_${arch}.tar.gz`,
    sha256,
    members: ["registry"],
  };
}

export function craneRelease(arch: string, sha256: string): FileRelease {
  return {
    url: `https://github.com/google/go-containerregistry/releases/download/v0.22.1/go-containerregistry_Linux_${arch}.tar.gz`,
    sha256,
    members: ["crane"],
  };
}
