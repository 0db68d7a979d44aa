import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fluxController, kubernetes, kubernetesLdflags, kubernetesTool } from "./families.ts";
import {
  craneRelease,
  etcdRelease,
  fluxCliRelease,
  helmRelease,
  kindRelease,
  kwokImage,
  kwokRelease,
  pulumiRelease,
  registryRelease,
} from "./releases.ts";
import { purposes, type Tool } from "./tool.ts";
import { atLeast, exactly, sameMinor } from "./version-fit.ts";

/*
 * The tools a lab needs: one pinned version each, how to recognise one that is on PATH already, where its release is
 * downloaded from, and how it is built from source. Order matters: it is the order of installation, and tools that
 * share compiled packages stand together.
 *
 * A download has a SHA-256 pinned here, taken from a published source (named beside it). Where none is known for a
 * platform there is no download, and the tool is built: go.sum then proves what was fetched. An image stands before a file of
 * the same program: it is packed, and a third as long.
 */

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
  // Files: github.com/kubernetes/kops, pkg/assets/assetdata/k8s-1.36.yaml at 347983e, which is made from SHA256SUMS of dl.k8s.io.
  // Images: github.com/randomcoww/homelab, config_env.tf at 5084d85, and several other public projects; kubectl's too.
  "kube-apiserver": kubernetesTool("kube-apiserver", {
    image: "sha256:0535dde1a857029209d7effe681c919a1580d2eb24eda4bd122d24e9a372e1b8",
    amd64: "6770be17296ef36b656ad84e52b043007fb9a47ba0445c224097323291b1b33b",
    arm64: "265e3918c0659ce714fba07b6cc0634edafa4db6dd5891cc8dc3352b028af0f5",
  }),
  "kube-controller-manager": kubernetesTool("kube-controller-manager", {
    image: "sha256:b3add29a00c3c4763c75a09ec94915e3d0d590b93b3850a97d52970fbd2b2c12",
    amd64: "6332e45474baf6362f50394d8f7c6002274db04d68fe51dbe2229ef5c0b21e3c",
    arm64: "976242c5e71e4c0d2cc925ca34e715112cd3379ef7c4292c661546073790ce56",
  }),
  "kube-scheduler": kubernetesTool("kube-scheduler", {
    image: "sha256:94dfc9f285718a06bb873947959b8514ed95dddaa7c74d765cc346fdfa684859",
    amd64: "0cc42da3170baf459a534a3802640d7374381ca679e5cfb647e64f36ad318d3d",
    arm64: "ec4166220b3825ea28679fb2604d9fa04c817226b4205db10985444608bfdcea",
  }),
  kubectl: kubernetesTool("kubectl", {
    image: "sha256:b0d792e0d8dfb9bb1b922b78b23137e2a34bb6f9667640353a9d2aadd1fd7761",
    amd64: "1e9045ec32bea85da43de85f0065358529ea7c7a152eca78154fba5b58c27d82",
    arm64: "c957eb8c4bea27a3bb35b269edd9082e27f027f7b76b20b5bf4afebc726c6d3e",
  }),
  etcd: {
    version: "3.6.8",
    probe: { args: ["--version"], pattern: /^etcd Version: (\S+)/m },
    fits: sameMinor("3.6.8"),
    downloads: {
      // github.com/kubernetes-sigs/kubespray, roles/kubespray_defaults/vars/main/checksums.yml at 46dbdd3.
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
      // aur.archlinux.org, kwok-bin 0.8.0-1, PKGBUILD; of the image, registry.k8s.io's promotion and several public projects.
      amd64: [kwokImage, kwokRelease("amd64", "f5a4385a2ae1b9dd7f8acae18e002a75c0ebba124ae9d7259aa8dadb50711f46")],
      arm64: [kwokImage, kwokRelease("arm64", "628f7d277860f524a2a775c217adcc58828e7b59ab0933680315784f1b8b0e37")],
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
    build: { module: "room", package: "./lab-room" },
  },
  "lab-hook": {
    version: sourceVersion("room/lab-hook"),
    fits: exactly(sourceVersion("room/lab-hook")),
    build: { module: "room", package: "./lab-hook" },
  },
  "lab-build": {
    version: sourceVersion("room/lab-build"),
    fits: exactly(sourceVersion("room/lab-build")),
    build: { module: "room", package: "./lab-build" },
  },
  pause: {
    version: sourceVersion("room/pause"),
    fits: exactly(sourceVersion("room/pause")),
    build: { module: "room", package: "./pause" },
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
    downloads: {
      // github.com/cert-manager/makefile-modules, modules/tools/00_mod.mk, and other public projects alike.
      amd64: [kindRelease("amd64", "aee6151561422756b764a4ae28e7f44cda5af5a9eead3cc9985112b1de8d8e0d")],
      arm64: [kindRelease("arm64", "20022bee6cfcd5086cb7234d218e3454e6090022f2a8f55d1fa7fcf42c3867a2")],
    },
    build: { module: "kind", package: "sigs.k8s.io/kind" },
    onlyFor: purposes.clustersInDocker,
  },
  helm: {
    version: "4.2.4",
    probe: { args: ["version", "--template", "{{.Version}}"], pattern: /^v(\d+\.\d+\.\d+)/m },
    fits: atLeast("4.0.0"),
    downloads: {
      // The notes of Helm's release 4.2.4; github.com/cert-manager/makefile-modules alike.
      amd64: [helmRelease("amd64", "c306b46f719b0a4da32d0f78ee21bf90ce8d602f15b22ab753f0674d1670a7f3")],
      arm64: [helmRelease("arm64", "564de2191b881e9f71b5606b25345821ea1682f06ab90499d3ab22b530176da1")],
    },
    build: { module: "helm", package: "helm.sh/helm/v4/cmd/helm", ldflags: "-X helm.sh/helm/v4/internal/version.version=v4.2.4" },
    onlyFor: purposes.virtualClusters,
  },
  // The controllers are released as container images only. Digests: github.com/controlplaneio-fluxcd/flux-operator,
  // config/data/flux-images/v2.9.2/upstream-alpine.yaml at 218983d; other public projects alike.
  "source-controller": fluxController(
    "source-controller",
    fluxControllers.source,
    "sha256:ff8f3c92f1bcb433e858c948040c3a3393fe73f5dd72048a4502bfaf0a4c26cd",
  ),
  "kustomize-controller": fluxController(
    "kustomize-controller",
    fluxControllers.kustomize,
    "sha256:0203eb80743814f67bebb5f0b22c7db620bc461cc0b23732e0367a38fce04e4c",
  ),
  "image-reflector-controller": fluxController(
    "image-reflector-controller",
    fluxControllers.imageReflector,
    "sha256:a47e09e024a9ff2ea4f3878a1b90c2850134cfdc8b292ec52268dbc1e57e1a4c",
  ),
  "image-automation-controller": fluxController(
    "image-automation-controller",
    fluxControllers.imageAutomation,
    "sha256:81128adfd127601530d3dffc1deaf7c9eeec5b9aa555b3ab80cab37fa5d909a4",
  ),
  "lab-render": {
    // Ours, around what kustomize-controller renders with.
    version: `${fluxControllers.kustomize}-${sourceVersion("cluster/lab-render")}`,
    fits: exactly(`${fluxControllers.kustomize}-${sourceVersion("cluster/lab-render")}`),
    build: { module: "cluster", package: "./lab-render" },
  },
  flux: {
    version: fluxRelease,
    probe: { args: ["--version"], pattern: /^flux version v?(\S+)/m },
    fits: sameMinor("2.9.0"),
    downloads: {
      // github.com/onedr0p/cluster-template, .mise/mise.lock at 112d167; other public projects alike.
      amd64: [fluxCliRelease("amd64", "4092b367fd060097976fb7261601f79420ecf7266328417dfd8dfee27de0e6a3")],
      arm64: [fluxCliRelease("arm64", "665bfe5aeb843faf907e7f77250c31840499ff2dc65a64c2479409e3728748d1")],
    },
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

/** Whether a set-up brings the tool; the others are the operating system's. */
export function isBrought(name: ToolName): boolean {
  return manifest[name].build !== undefined || manifest[name].downloads !== undefined;
}

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
