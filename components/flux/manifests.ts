import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { fluxLabels } from "../../shared/flux-labels.ts";
import { fluxNamespace } from "../../shared/names.ts";
import { fluxControllerNames, fluxRelease, manifest, type FluxController } from "../../tools/manifest.ts";
import { requireAsset, type AssetName } from "../../tools/locate.ts";

/** An object of the Kubernetes API as its module ships it. */
const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional(), labels: z.record(z.string(), z.string()).optional() }),
});
export type Manifest = z.output<typeof Manifest>;

const Deployment = Manifest.extend({
  spec: z.looseObject({
    template: z.looseObject({
      metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
      spec: z.looseObject({
        containers: z.tuple([z.looseObject({ image: z.string(), args: z.array(z.string()), env: z.array(z.unknown()) })]),
      }),
    }),
  }),
});

/** Where the project publishes a controller's image: Flux' own release images. */
export function publishedImage(controller: FluxController): string {
  return `ghcr.io/fluxcd/${controller}:v${manifest[controller].version}`;
}

export interface FluxManifestOptions {
  /** Image of each controller. */
  readonly image: (controller: FluxController) => string;
  /** Names of Secrets in flux-system to pull them with. */
  readonly pullSecrets?: readonly string[];
}

/**
 * What runs the pinned Flux controllers in a cluster, in the order to apply: rights, accounts, Service, Deployments. Made
 * of the controllers' own manifests the way `flux install` does with `--components` of these four. Leader election is off: there is
 * one of each. Throws LabError `tool-missing` where set-up has not brought the manifests.
 */
export function fluxManifests({ image, pullSecrets = [] }: FluxManifestOptions): Manifest[] {
  const accounts = fluxControllerNames.map((name) => ({ ...namespaced(name), apiVersion: "v1", kind: "ServiceAccount" }));
  const shipped = read("flux-deployments");
  const services = shipped
    .filter(({ kind }) => kind === "Service")
    .map((object) => ({ ...object, metadata: { ...object.metadata, ...namespaced(object.metadata.name).metadata } }));
  const deployments = shipped
    .filter(({ kind }) => kind === "Deployment")
    .map((object) => deployment(Deployment.parse(object), image, pullSecrets));
  return [...rights(), ...accounts, ...services, ...deployments];
}

/** Of the rights that Flux ships, those of its controllers; ones of controllers that are not here lead nowhere. */
function rights(): Manifest[] {
  const kept = new Set(["crd-controller", "cluster-reconciler"]);
  return read("flux-rbac")
    .filter(({ metadata }) => kept.has(metadata.name))
    .map((object) => ({ ...object, metadata: { ...object.metadata, labels: fluxLabels(fluxRelease) } }));
}

/** What sets these controllers up for a lab: `clusters/embedded/flux-controllers.ts` has the reasons. */
const ownArgs: Partial<Record<FluxController, readonly string[]>> = {
  "kustomize-controller": ["--requeue-dependency=1s", "--feature-gates=CancelHealthCheckOnNewRevision=true"],
  "image-automation-controller": ["--concurrent=1"],
};

function deployment(object: z.output<typeof Deployment>, image: FluxManifestOptions["image"], pullSecrets: readonly string[]): Manifest {
  const name = z.enum(fluxControllerNames).parse(object.metadata.name);
  const { template } = object.spec;
  const [container] = template.spec.containers;
  const memoryLimit = { name: "GOMEMLIMIT", valueFrom: { resourceFieldRef: { containerName: "manager", resource: "limits.memory" } } };
  const spec = {
    ...template.spec,
    serviceAccountName: name,
    ...(pullSecrets.length > 0 && { imagePullSecrets: pullSecrets.map((secret) => ({ name: secret })) }),
    containers: [
      {
        ...container,
        image: image(name),
        args: ["--events-addr=", ...container.args.filter((arg) => arg !== "--enable-leader-election"), ...(ownArgs[name] ?? [])],
        env: [...container.env, memoryLimit],
      },
    ],
  };
  const pods = { ...template.metadata, labels: { ...template.metadata.labels, ...fluxLabels(fluxRelease, name) } };
  return {
    ...object,
    metadata: { ...object.metadata, ...namespaced(name).metadata },
    spec: { ...object.spec, template: { ...template, metadata: pods, spec } },
  };
}

function namespaced(component: string): { metadata: Manifest["metadata"] } {
  return { metadata: { name: component, namespace: fluxNamespace, labels: fluxLabels(fluxRelease, component) } };
}

/** Every object of an asset's files; kustomizations are for kustomize alone. */
function read(asset: AssetName): Manifest[] {
  const folder = requireAsset(asset);
  return readdirSync(folder)
    .filter((file) => file.endsWith(".yaml") && !file.endsWith("kustomization.yaml"))
    .sort()
    .flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), "utf8")))
    .map((document) => Manifest.parse(document.toJS()));
}
