import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { craneRelease, etcdRelease, kwokRelease, pulumiRelease, registryRelease } from "./releases.ts";
import { purposes, type Arch, type Tool } from "./tool.ts";
import { atLeast, exactly, sameMinor } from "./version-fit.ts";

/*
 * The tools a lab needs: one pinned version each, how to recognise one that is on PATH already, where its release is
 * downloaded from, and how it is built from source. Order matters: it is the order of installation, and tools that
 * share compiled packages stand together.
 *
 * A download has a SHA-256 pinned here, taken from a published source (named beside it). Where none is known for a
 * platform there is no download, and the tool is built: go.sum then proves what was fetched.
 */

const kubernetes = "1.36.2";
/** Flux release whose controllers these are. */
export const fluxRelease = "2.9.2";

export const fluxControllerNames = [
  "source-controller",
  "kustomize-controller",
  "image-reflector-controller",
  "image-automation-controller",
] as const;
export type FluxController = (typeof fluxControllerNames)[number];
/** Versions of the controllers. */
export const fluxControllers = { source: "1.9.3", kustomize: "1.9.3", imageReflector: "1.2.3", imageAutomation: "1.2.3" };

const go = "1.26.8";

const tools = {
  go: {
    // What tools/go is built with, and the learners' own programs.
    version: go,
    probe: { args: ["version"], pattern: /^go version go(\d+\.\d+(?:\.\d+)?)/ },
    fits: atLeast(go),
    downloads: {
      // sum.golang.org, as the go command asks it.
      amd64: [{ goToolchain: { version: `v0.0.1-go${go}.linux-amd64`, sum: "h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=" } }],
      arm64: [{ goToolchain: { version: `v0.0.1-go${go}.linux-arm64`, sum: "h1:sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc=" } }],
    },
  },
  "kube-apiserver": kubernetesTool("kube-apiserver", {
    // github.com/cert-manager/makefile-modules, modules/tools/00_mod.mk.
    amd64: "6770be17296ef36b656ad84e52b043007fb9a47ba0445c224097323291b1b33b",
  }),
  "kube-controller-manager": kubernetesTool("kube-controller-manager", {}),
  "kube-scheduler": kubernetesTool("kube-scheduler", {}),
  kubectl: kubernetesTool("kubectl", {
    // github.com/kubernetes-sigs/kubespray, roles/kubespray_defaults/vars/main/checksums.yml at 46dbdd3.
    amd64: "1e9045ec32bea85da43de85f0065358529ea7c7a152eca78154fba5b58c27d82",
    arm64: "c957eb8c4bea27a3bb35b269edd9082e27f027f7b76b20b5bf4afebc726c6d3e",
  }),
  etcd: {
    version: "3.6.8",
    probe: { args: ["--version"], pattern: /^etcd Version: (\S+)/m },
    fits: sameMinor("3.6.8"),
    downloads: {
      // github.com/kubernetes-sigs/kubespray, as for kubectl.
      amd64: [etcdRelease("amd64", "cf9cfe91a4856cb90eed9c99e6aee4b708db2c7888b88a6f116281f04b0ea693")],
      arm64: [etcdRelease("arm64", "438f56a700d17ce761510a3e63e6fa5c1d587b2dd4d7a22c179c09a649366760")],
    },
    build: { module: "cluster", package: "go.etcd.io/etcd/server/v3" },
  },
  kwok: {
    version: "0.8.0",
    probe: { args: ["--version"], pattern: /^kwok version v(\S+)/m },
    fits: sameMinor("0.8.0"),
    downloads: {
      // aur.archlinux.org, kwok-bin 0.8.0-1, PKGBUILD.
      amd64: [kwokRelease("amd64", "f5a4385a2ae1b9dd7f8acae18e002a75c0ebba124ae9d7259aa8dadb50711f46")],
      arm64: [kwokRelease("arm64", "628f7d277860f524a2a775c217adcc58828e7b59ab0933680315784f1b8b0e37")],
    },
    build: { module: "cluster", package: "sigs.k8s.io/kwok/cmd/kwok" },
  },
  "kubelet-and-proxy": {
    // Kubernetes', in a main program of ours.
    version: `${kubernetes}-${sourceVersion("cluster/kubelet-and-proxy")}`,
    fits: exactly(`${kubernetes}-${sourceVersion("cluster/kubelet-and-proxy")}`),
    build: { module: "cluster", package: "./kubelet-and-proxy", ldflags: kubernetesLdflags() },
    onlyFor: purposes.realPods,
  },
  "lab-room": {
    // Ours, and so of the version that its source has.
    version: sourceVersion("room/lab-room"),
    fits: exactly(sourceVersion("room/lab-room")),
    build: { module: "room", package: "./lab-room", static: true },
  },
  "lab-build": {
    version: sourceVersion("room/lab-build"),
    fits: exactly(sourceVersion("room/lab-build")),
    build: { module: "room", package: "./lab-build", static: true },
  },
  pause: {
    version: sourceVersion("room/pause"),
    fits: exactly(sourceVersion("room/pause")),
    build: { module: "room", package: "./pause", static: true },
    onlyFor: purposes.realPods,
  },
  coredns: {
    version: "1.14.3",
    // A CoreDNS on PATH may lack the plugins, or have others.
    fits: exactly("1.14.3"),
    build: { module: "dns", package: "." },
    onlyFor: purposes.realPods,
  },
  kind: {
    version: "0.33.0",
    probe: { args: ["version"], pattern: /^kind v(\S+)/m },
    // Its node images are pinned for its release; config and output are those of the minor version.
    fits: sameMinor("0.33.0"),
    build: { module: "kind", package: "sigs.k8s.io/kind", static: true },
    onlyFor: purposes.clustersInDocker,
  },
  helm: {
    version: "4.2.4",
    probe: { args: ["version", "--template", "{{.Version}}"], pattern: /^v(\d+\.\d+\.\d+)/m },
    fits: atLeast("4.0.0"),
    build: { module: "helm", package: "helm.sh/helm/v4/cmd/helm", ldflags: "-X helm.sh/helm/v4/internal/version.version=v4.2.4" },
    onlyFor: purposes.virtualClusters,
  },
  // The controllers are released as container images only.
  "source-controller": fluxController("source-controller", fluxControllers.source),
  "kustomize-controller": fluxController("kustomize-controller", fluxControllers.kustomize),
  "image-reflector-controller": fluxController("image-reflector-controller", fluxControllers.imageReflector),
  "image-automation-controller": fluxController("image-automation-controller", fluxControllers.imageAutomation),
  "lab-render": {
    // Ours, around what kustomize-controller renders with.
    version: `${fluxControllers.kustomize}-${sourceVersion("cluster/lab-render")}`,
    fits: exactly(`${fluxControllers.kustomize}-${sourceVersion("cluster/lab-render")}`),
    build: { module: "cluster", package: "./lab-render", static: true },
  },
  flux: {
    version: fluxRelease,
    probe: { args: ["--version"], pattern: /^flux version v?(\S+)/m },
    fits: sameMinor("2.9.0"),
    build: {
      module: "cluster",
      package: "github.com/fluxcd/flux2/v2/cmd/flux",
      ldflags: `-X main.VERSION=${fluxRelease}`,
      placeholder: { module: "github.com/fluxcd/flux2/v2", file: "cmd/flux/manifests/placeholder.yaml" },
    },
  },
  pulumi: {
    version: "3.259.0",
    probe: { args: ["version"], pattern: /^v(\S+)/m },
    // The engine, its language host and the Node SDK of package.json were proved together.
    fits: exactly("3.259.0"),
    downloads: {
      // github.com/pulumi/homebrew-tap, Formula/pulumi.rb at 51fb494.
      amd64: [pulumiRelease("x64", "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5")],
      arm64: [pulumiRelease("arm64", "edc8327463a72160bb36cf82cf5062da9c8a244290a706d9980988e7bf486853")],
    },
    build: {
      module: "pulumi",
      package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
      ldflags: "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0",
    },
  },
  "pulumi-language-nodejs": {
    // The last version in the SDK's Go module; Pulumi's releases carry the one of their engine.
    version: "3.68.0",
    fits: () => false,
    companionOf: "pulumi" as const,
    build: {
      module: "pulumi-language-nodejs",
      package: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
      ldflags: "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.68.0",
    },
  },
  registry: {
    version: "3.1.2",
    probe: { args: ["--version"], pattern: / v?(\d+\.\d+\.\d+)/ },
    fits: sameMinor("3.1.0"),
    downloads: {
      // github.com/distribution/distribution-library-image, Dockerfile of 3.1.2.
      amd64: [registryRelease("amd64", "40df2224d410f72ae425c3371873b078bbdbda3b8b612be9571f0e6751f3acc8")],
      arm64: [registryRelease("arm64", "09d26f88d2c0f161bd1b8bfc6c123571cc3d291dcca8af5477b3cacc4ec95e73")],
    },
    build: { module: "registry", package: "github.com/distribution/distribution/v3/cmd/registry" },
  },
  crane: {
    version: "0.22.1",
    probe: { args: ["version"], pattern: /^v?(\d+\.\d+\.\d+)/m },
    fits: atLeast("0.20.0"),
    downloads: {
      // The release's checksums.txt, as pinned alike by several public projects.
      amd64: [craneRelease("x86_64", "0ab7a1d6932a213aed964ce97666c3077fe691c8606413674a8b3e0b9ec4cda0")],
      arm64: [craneRelease("arm64", "898c0cff975f898a33e8c4580bdafb0e7c02c7faa33374e946762f97c4ab7110")],
    },
    build: { module: "registry", package: "github.com/google/go-containerregistry/cmd/crane" },
  },
  git: {
    version: "2.38.0",
    probe: { args: ["--version"], pattern: /^git version (\d+\.\d+\.\d+)/m },
    fits: atLeast("2.38.0"),
  },
} satisfies Record<string, Tool>;

export type ToolName = keyof typeof tools;
export const manifest: Readonly<Record<ToolName, Tool>> = tools;
export const toolNames = Object.keys(tools) as readonly ToolName[];

/** A digest of the source of a program of our own, below tools/go. */
function sourceVersion(folder: string): string {
  const files = new URL(`go/${folder}/`, import.meta.url);
  const hash = createHash("sha256");
  for (const file of readdirSync(files)
    .filter((name) => !name.endsWith("_test.go"))
    .sort())
    hash.update(`${file}\n`).update(readFileSync(new URL(file, files)));
  return hash.digest("hex").slice(0, 12);
}

/** Exact: the control plane's parts, the simulated nodes and the evidence were proved at one version. */
function kubernetesTool(name: string, sha256: Partial<Record<Arch, string>>) {
  return {
    version: kubernetes,
    probe:
      name === "kubectl"
        ? { args: ["version", "--client"], pattern: /^Client Version: v(\S+)/m }
        : { args: ["--version"], pattern: /^Kubernetes v(\S+)/m },
    fits: exactly(kubernetes),
    downloads: Object.fromEntries(
      Object.entries(sha256).map(([arch, digest]) => [
        arch,
        [{ url: `https://dl.k8s.io/release/v${kubernetes}/bin/linux/${arch}/${name}`, sha256: digest }],
      ]),
    ),
    build: {
      module: "cluster",
      package: `k8s.io/kubernetes/cmd/${name}`,
      ldflags: kubernetesLdflags(),
    },
  } satisfies Tool;
}

/** What tells a program of Kubernetes its version. */
function kubernetesLdflags(): string {
  const variables = [
    `k8s.io/component-base/version.gitVersion=v${kubernetes}`,
    "k8s.io/component-base/version.gitMajor=1",
    "k8s.io/component-base/version.gitMinor=36",
    `k8s.io/client-go/pkg/version.gitVersion=v${kubernetes}`,
  ];
  return variables.map((variable) => `-X ${variable}`).join(" ");
}

/** Exact: the CRDs that are applied come from the same modules. */
function fluxController(name: string, version: string) {
  const module = `github.com/fluxcd/${name}`;
  return {
    version,
    probe: { via: "go", args: ["version", "-m"], pattern: new RegExp(`^\\tmod\\t${module}\\tv(\\S+)`, "m") },
    fits: exactly(version),
    build: { module: "cluster", package: module },
  } satisfies Tool;
}
