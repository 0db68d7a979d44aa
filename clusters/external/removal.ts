import { z } from "zod";
import type { KubeApi } from "../../shared/kube-api.ts";
import { fluxNamespace } from "../../shared/names.ts";
import { waitUntil } from "../../shared/wait.ts";
import {
  claimNamespace,
  collections,
  deleteObject,
  fluxPath,
  isOf,
  markedObjects,
  objectAt,
  objectsIn,
  stillThere,
  titleOf,
  type Owner,
  type Placed,
} from "./objects.ts";

const endSeconds = 300;

/**
 * Takes a learner's lab off a cluster that stays: what carries the lab's marks, and what the lab's Flux has applied elsewhere. Flux is
 * ended first and not asked to prune: it would take away what had been there before a learner's manifests named it. May be repeated.
 *
 * @param since when the cluster was taken, by its own clock (ISO 8601): whatever is older was there before, and stays
 */
export async function removeLab(api: KubeApi, owner: Owner, since: string): Promise<void> {
  const isNewer = ({ metadata }: Placed) => Date.parse(metadata.creationTimestamp) >= Date.parse(since);
  const marked = (await markedObjects(api, owner)).filter(isNewer);
  const definitions = marked.filter(({ path }) => path.startsWith(`${collections.customresourcedefinitions}/`));
  const applied = (await appliedObjects(api, definitions, marked)).filter(isNewer);
  const flux = await objectAt(api, fluxPath);
  if (flux !== undefined && isOf(flux, owner)) await endFlux(api, owner);
  for (const definition of definitions) await releaseObjects(api, definition);
  const last = ({ metadata }: Placed) => metadata.name === claimNamespace;
  await removeAll(api, [...applied, ...marked.filter((one) => !last(one))], owner);
  await removeAll(api, marked.filter(last), owner);
}

async function removeAll(api: KubeApi, objects: readonly Placed[], { learner }: Owner): Promise<void> {
  for (const object of objects) await deleteObject(api, object);
  await waitUntil(
    async () => {
      const left = await stillThere(api, objects);
      return left.length === 0
        ? { done: true, value: undefined }
        : { done: false, because: `${left.map(titleOf).join(", ")} still there.` };
    },
    {
      what: `the end of learner ${learner}'s lab on ${api.server}`,
      timeoutSeconds: endSeconds,
      intervalMs: 500,
      remedy: "`kubectl get <kind> <name> --output yaml` there tells what holds it (`finalizers`); then run the command again.",
    },
  );
}

/** Its controllers would make again what is being removed. */
async function endFlux(api: KubeApi, { learner }: Owner): Promise<void> {
  const deployments = await objectsIn(api, `/apis/apps/v1/namespaces/${fluxNamespace}/deployments`);
  for (const deployment of deployments) await deleteObject(api, deployment);
  await waitUntil(
    async () => {
      const pods = await objectsIn(api, `/api/v1/namespaces/${fluxNamespace}/pods`);
      return pods.length === 0
        ? { done: true, value: undefined }
        : { done: false, because: `${pods.map(({ metadata }) => metadata.name).join(", ")} still there.` };
    },
    {
      what: `the end of Flux on learner ${learner}'s cluster`,
      timeoutSeconds: endSeconds,
      intervalMs: 500,
      remedy: `\`kubectl -n ${fluxNamespace} describe pods\` there shows more; then run the command again.`,
    },
  );
}

const Definition = z.looseObject({
  spec: z.object({
    group: z.string(),
    names: z.object({ plural: z.string(), kind: z.string() }),
    versions: z.array(z.object({ name: z.string(), storage: z.boolean() })),
  }),
});

function collectionOf(definition: Placed): { readonly path: string; readonly kind: string } {
  const { group, names, versions } = Definition.parse(definition).spec;
  return { path: `/apis/${group}/${versions.find(({ storage }) => storage)?.name}/${names.plural}`, kind: names.kind };
}

/** Who would have let go of the objects of a kind when they are deleted has ended. */
async function releaseObjects(api: KubeApi, definition: Placed): Promise<void> {
  const held = (await objectsIn(api, collectionOf(definition).path)).filter(({ metadata }) => metadata["finalizers"] !== undefined);
  for (const { path, metadata } of held)
    await api.send({
      method: "PATCH",
      path,
      contentType: "application/merge-patch+json",
      body: { metadata: { uid: metadata.uid, finalizers: null } },
    });
}

/** The inventory of a Kustomization, as Flux keeps it: `<namespace>_<name>_<group>_<kind>`, with `__` for a colon in a name. */
const Kustomization = z.looseObject({
  status: z
    .looseObject({
      inventory: z.looseObject({ entries: z.array(z.looseObject({ id: z.string(), v: z.string() })).default([]) }).optional(),
    })
    .optional(),
});
const entry = /^(?<namespace>[^_]*)_(?<name>.+)_(?<group>[^_]*)_(?<kind>[^_]+)$/;

/** What the lab's Flux has applied outside of the namespaces that go anyway, and carries Flux' own mark. */
async function appliedObjects(api: KubeApi, definitions: readonly Placed[], marked: readonly Placed[]): Promise<Placed[]> {
  const kustomizations = definitions.map(collectionOf).find(({ kind }) => kind === "Kustomization");
  if (kustomizations === undefined) return [];
  const going = new Set(marked.flatMap(({ path, metadata }) => (path.startsWith(`${collections.namespaces}/`) ? [metadata.name] : [])));
  const known = new Set(marked.map(({ metadata }) => metadata.uid));
  const entries = (await objectsIn(api, kustomizations.path)).flatMap((one) => Kustomization.parse(one).status?.inventory?.entries ?? []);
  const resources = new Map<string, Promise<ReadonlyMap<string, string>>>();
  const found = await Promise.all(
    entries.map(async ({ id, v }) => {
      const { namespace = "", name = "", group = "", kind = "" } = entry.exec(id)?.groups ?? {};
      if (going.has(namespace)) return [];
      const root = group === "" ? `/api/${v}` : `/apis/${group}/${v}`;
      if (!resources.has(root)) resources.set(root, resourcesAt(api, root));
      const resource = (await resources.get(root))?.get(kind);
      if (resource === undefined) return [];
      const within = namespace === "" ? "" : `/namespaces/${namespace}`;
      const object = await objectAt(api, `${root}${within}/${resource}/${encodeURIComponent(name.replaceAll("__", ":"))}`);
      return object !== undefined && isOfFlux(object) && !known.has(object.metadata.uid) ? [object] : [];
    }),
  );
  return found.flat();
}

const isOfFlux = ({ metadata }: Placed) => metadata.labels["kustomize.toolkit.fluxcd.io/namespace"] === fluxNamespace;

/** Names of resources by kind, as an API server tells them of a group. */
async function resourcesAt(api: KubeApi, root: string): Promise<ReadonlyMap<string, string>> {
  const { resources } = z
    .object({ resources: z.array(z.looseObject({ name: z.string(), kind: z.string() })).default([]) })
    .parse((await api.send({ method: "GET", path: root })) ?? {});
  return new Map(resources.filter(({ name }) => !name.includes("/")).map(({ kind, name }) => [kind, name]));
}
