import { vclusterVersion } from "../shared/pins.ts";
import { fluxControllerNames, fluxControllers, fluxRelease } from "./manifest.ts";
import { purposes, type Asset } from "./tool.ts";

const fluxControllerModules = fluxControllerNames.map((name) => `github.com/fluxcd/${name}`);

const assets = {
  /** The CustomResourceDefinitions of the four Flux controllers, one YAML file each. */
  "flux-crds": {
    version: Object.values(fluxControllers).join("_"),
    module: "cluster",
    modules: fluxControllerModules,
    folder: "config/crd/bases",
  },
  /** Deployments of the four controllers, and source-controller's Service. */
  "flux-deployments": {
    version: Object.values(fluxControllers).join("_"),
    module: "cluster",
    modules: fluxControllerModules,
    folder: "config/manager",
    prefixed: true,
  },
  /** What Flux' own install gives its controllers in a cluster. */
  "flux-rbac": { version: fluxRelease, module: "cluster", modules: ["github.com/fluxcd/flux2/v2"], folder: "manifests/rbac" },
  /** vcluster's Helm chart, which its release publishes as it is here, but for the version in it. */
  "vcluster-chart": {
    version: vclusterVersion,
    module: "vcluster",
    modules: ["github.com/loft-sh/vcluster"],
    folder: "chart",
    whole: true,
    onlyFor: purposes.virtualClusters,
  },
} satisfies Record<string, Asset>;

export type AssetName = keyof typeof assets;
export const assetManifest: Readonly<Record<AssetName, Asset>> = assets;
export const assetNames = Object.keys(assets) as readonly AssetName[];
