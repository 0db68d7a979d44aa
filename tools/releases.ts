import type { Arch, FileRelease } from "./tool.ts";

/* Where the projects publish what they built; the digests stand with each tool in tools/manifest.ts. */

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
