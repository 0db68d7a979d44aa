import { z } from "zod";
import { ApiError, type KubeApi } from "../../shared/kube-api.ts";
import { cohortLabel, fluxNamespace, learnerLabel, markLabel } from "../../shared/names.ts";

/** Whose something in a cluster is: a lab home's, a cohort's, a learner's. */
export interface Owner {
  readonly mark: string;
  readonly cohort: string;
  readonly learner: string;
}

/** An object of a cluster, as far as it tells whose it is. */
const Found = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    uid: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).default({}),
  }),
});
export type Found = z.output<typeof Found>;

/** One in the API. */
export interface Placed extends Found {
  readonly path: string;
}

/** Namespace by which a cluster is taken: the first thing that the lab makes, and the last that it removes. */
export const claimNamespace = "gitops-lab";

/** What a lab makes in a cluster outside of namespaces, in the order in which it goes: rights, kinds of objects, namespaces. */
export const collections = {
  clusterrolebindings: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
  clusterroles: "/apis/rbac.authorization.k8s.io/v1/clusterroles",
  customresourcedefinitions: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
  namespaces: "/api/v1/namespaces",
} as const;
export type Collection = keyof typeof collections;

/** The object at a path; undefined where there is none. */
export async function objectAt(api: KubeApi, path: string): Promise<Placed | undefined> {
  const found = await api.send({ method: "GET", path });
  return found && { ...Found.parse(found), path };
}

/** The objects of a collection, at its path without the query. */
export async function objectsIn(api: KubeApi, collection: string, query = ""): Promise<Placed[]> {
  const list = await api.send({ method: "GET", path: `${collection}${query}` });
  return z
    .object({ items: z.array(Found) })
    .parse(list ?? { items: [] })
    .items.map((item) => ({ ...item, path: `${pathOf(collection, item)}` }));
}

/** Collections are listed over all namespaces; an object has its own in its path. */
function pathOf(collection: string, { metadata: { name, namespace } }: Found): string {
  if (typeof namespace !== "string" || collection.includes("/namespaces/")) return `${collection}/${name}`;
  const at = collection.lastIndexOf("/");
  return `${collection.slice(0, at)}/namespaces/${namespace}${collection.slice(at)}/${name}`;
}

/** The labels by which `kubectl -l` shows all that a learner's lab has outside of namespaces. */
export const selectorOf = ({ mark, cohort, learner }: Owner) => `${markLabel}=${mark},${cohortLabel}=${cohort},${learnerLabel}=${learner}`;

export function isOf({ metadata: { labels } }: Found, { mark, cohort, learner }: Owner): boolean {
  return labels[markLabel] === mark && labels[cohortLabel] === cohort && labels[learnerLabel] === learner;
}

/** What carries a lab's marks, in the order in which it goes. */
export async function markedObjects(api: KubeApi, owner: Owner): Promise<Placed[]> {
  const query = `?labelSelector=${encodeURIComponent(selectorOf(owner))}`;
  const each = await Promise.all(Object.values(collections).map((collection) => objectsIn(api, collection, query)));
  return each.flat();
}

/** By its uid, so that it is none that came into its place a moment ago. What is gone already is a success. */
export async function deleteObject(api: KubeApi, { path, metadata: { uid } }: Placed, how: "Background" | "Foreground" = "Background") {
  const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid }, propagationPolicy: how };
  await api.send({ method: "DELETE", path, body }).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.reason === "Conflict")) throw error;
  });
}

/** Those that are there still. */
export async function stillThere(api: KubeApi, objects: readonly Placed[]): Promise<Placed[]> {
  const each = await Promise.all(
    objects.map(async (object) => ((await objectAt(api, object.path))?.metadata.uid === object.metadata.uid ? [object] : [])),
  );
  return each.flat();
}

/** Such as `namespace flux-system`, for messages. */
export function titleOf({ path, metadata: { name } }: Pick<Placed, "path" | "metadata">): string {
  const collection = path.split("/").at(-2) ?? "";
  return `${{ customresourcedefinitions: "CRD", namespaces: "namespace", clusterroles: "cluster role", clusterrolebindings: "cluster role binding" }[collection] ?? collection} ${name}`;
}

/** The namespace in which the lab's Flux runs. */
export const fluxPath = `${collections.namespaces}/${fluxNamespace}`;
