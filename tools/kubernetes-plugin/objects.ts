import { waitUntil } from "../../shared/wait.ts";
import { ApiError, type KubeApi } from "../../shared/kube-api.ts";
import { isObject, type Properties } from "../../shared/json.ts";

/** What names an object, as far as the inputs give it. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Without it the default one, where the kind has namespaces. */
  readonly namespace?: string | undefined;
}

export interface ApplyOptions {
  readonly fieldManager: string;
  /** Take fields from other managers. */
  readonly force: boolean;
}

/** Objects of any kind that the API server knows, by its discovery. */
export interface ObjectStore {
  /** Whether objects of the kind are in namespaces; undefined where the API server does not know the kind. */
  isNamespaced(apiVersion: string, kind: string): Promise<boolean | undefined>;
  /** Undefined where there is no such object or kind. */
  get(reference: ObjectReference): Promise<Properties | undefined>;
  /** Server-side apply; the object as it is then. Waits a while for a kind or a namespace that is being made. */
  apply(reference: ObjectReference, manifest: Properties, options: ApplyOptions): Promise<Properties>;
  /** Makes fields that a person changed with kubectl, or an apply of an older way, belong to the manager. */
  takeOver(reference: ObjectReference, live: Properties, fieldManager: string): Promise<void>;
  /** Asks for the deletion; undefined where it was gone already. */
  remove(reference: ObjectReference, propagationPolicy: string): Promise<Properties | undefined>;
}

interface Kind {
  readonly plural: string;
  readonly namespaced: boolean;
}

export function objectStore(api: KubeApi, defaultNamespace: string): ObjectStore {
  const discovered = new Map<string, Promise<Map<string, Kind>>>();

  async function findKind(apiVersion: string, kind: string): Promise<Kind | undefined> {
    const earlier = discovered.get(apiVersion);
    const known = earlier && (await earlier).get(kind);
    if (known) return known;
    // Another look, because the kind may have been defined since the last.
    const looking = discover(api, apiVersion);
    discovered.set(apiVersion, looking);
    looking.catch(() => discovered.delete(apiVersion));
    return (await looking).get(kind);
  }

  async function pathOf({ apiVersion, kind, name, namespace = defaultNamespace }: ObjectReference): Promise<string | undefined> {
    const found = await findKind(apiVersion, kind);
    if (!found) return undefined;
    const folder = found.namespaced ? `namespaces/${encodeURIComponent(namespace)}/` : "";
    return `${groupPath(apiVersion)}/${folder}${found.plural}/${encodeURIComponent(name)}`;
  }

  async function get(reference: ObjectReference): Promise<Properties | undefined> {
    const path = await pathOf(reference);
    return path === undefined ? undefined : api.send({ method: "GET", path });
  }

  return {
    isNamespaced: async (apiVersion, kind) => (await findKind(apiVersion, kind))?.namespaced,
    get,

    async apply(reference, manifest, { fieldManager, force }) {
      const query = new URLSearchParams({ fieldManager, force: String(force) });
      return waitUntil(
        async () => {
          const path = await pathOf(reference);
          // JSON is YAML.
          const live =
            path &&
            (await api.send({ method: "PATCH", path: `${path}?${query}`, body: manifest, contentType: "application/apply-patch+yaml" }));
          return live ? { done: true, value: live } : { done: false, because: "The API server answers that there is none." };
        },
        {
          what: `the kind ${reference.kind} of ${reference.apiVersion} and the namespace ${reference.namespace ?? defaultNamespace}`,
          timeoutSeconds: 30,
          intervalMs: 500,
          remedy: "Name the resource that makes it in this one's `dependsOn`, then run `pulumi up` again.",
        },
      );
    },

    async takeOver(reference, live, fieldManager) {
      const managedFields = withTakenOver(live, fieldManager);
      const path = managedFields && (await pathOf(reference));
      if (!path) return;
      const { resourceVersion } = live["metadata"] as Properties;
      const body = [
        { op: "replace", path: "/metadata/managedFields", value: managedFields },
        // Refused if somebody changed the object in between.
        { op: "replace", path: "/metadata/resourceVersion", value: resourceVersion ?? null },
      ];
      await api.send({ method: "PATCH", path, body, contentType: "application/json-patch+json" });
    },

    async remove(reference, propagationPolicy) {
      const path = await pathOf(reference);
      if (path === undefined) return undefined;
      await api.send({ method: "DELETE", path, body: { propagationPolicy } });
      return get(reference);
    },
  };
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

/** The kinds of one group and version; none where the API server does not serve it. */
async function discover(api: KubeApi, apiVersion: string): Promise<Map<string, Kind>> {
  const answer = await api.send({ method: "GET", path: groupPath(apiVersion) });
  const resources = Array.isArray(answer?.["resources"]) ? answer["resources"].filter(isObject) : [];
  return new Map(
    resources
      // Others are parts of an object, such as `pods/log`.
      .filter(({ name }) => !String(name).includes("/"))
      .map(({ name, kind, namespaced }) => [String(kind), { plural: String(name), namespaced: namespaced === true }]),
  );
}

/** Whose fields the official plugin takes over as well: a person's changes, and applies that were not server-side. */
const givesWay: readonly { readonly manager: string; readonly operation: string }[] = [
  { manager: "kubectl", operation: "Apply" },
  { manager: "kubectl", operation: "Update" },
  { manager: "before-first-apply", operation: "Update" },
  { manager: "pulumi-kubernetes", operation: "Update" },
  { manager: "pulumi-resource-kubernetes", operation: "Update" },
];

/** The object's managedFields with such fields given to the manager; undefined where there are none. */
export function withTakenOver(live: Properties, fieldManager: string): Properties[] | undefined {
  const entries = managedFields(live);
  const taken = entries.filter((entry) =>
    givesWay.some(
      ({ manager, operation }) => String(entry["manager"]).startsWith(manager) && entry["operation"] === operation && !entry["subresource"],
    ),
  );
  if (taken.length === 0) return undefined;
  const own = entries.find((entry) => isApplyOf(entry, fieldManager));
  const fields = [own, ...taken].map((entry) => entry?.["fieldsV1"]).filter((fieldSet) => isObject(fieldSet));
  const rest = entries.filter((entry) => entry !== own && !taken.includes(entry));
  return [...rest, { ...taken[0], ...own, manager: fieldManager, operation: "Apply", fieldsV1: fields.reduce(union, {}) }];
}

/** Whether the manager has applied the object before. */
export function isAppliedBy(live: Properties, fieldManager: string): boolean {
  return managedFields(live).some((entry) => isApplyOf(entry, fieldManager));
}

export function isConflict(error: unknown): error is ApiError {
  return error instanceof ApiError && error.reason === "Conflict";
}

function isApplyOf(entry: Properties, fieldManager: string): boolean {
  return entry["manager"] === fieldManager && entry["operation"] === "Apply";
}

function managedFields(live: Properties): Properties[] {
  const { metadata } = live;
  const entries = isObject(metadata) ? metadata["managedFields"] : undefined;
  return Array.isArray(entries) ? entries.filter(isObject) : [];
}

/** fieldsV1 is a tree of objects whose keys are the fields. */
function union(one: Properties, other: Properties): Properties {
  const all = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const mine = all[key];
    all[key] = isObject(mine) && isObject(value) ? union(mine, value) : value;
  }
  return all;
}
