import { isDeepStrictEqual } from "node:util";
import { isObject, type Json, type Properties } from "../../shared/json.ts";
import { withoutStringData } from "./manifest.ts";

export interface Change {
  /** Pulumi property path, e.g. `spec.template.spec.containers[0].image`. */
  readonly path: string;
  readonly kind: "add" | "delete" | "update";
  /** The API server would refuse the change: only another object can have it. */
  readonly replaces: boolean;
}

export interface DiffOptions {
  readonly defaultNamespace: string;
  readonly mutableSecrets: boolean;
  readonly mutableConfigMaps: boolean;
}

/** Fields that make another object, by API group and kind, as in the official plugin; the definition's scope is ours. */
const immutableFields: Readonly<Record<string, readonly string[]>> = {
  "/Secret": ["type"],
  "/Service": ["spec.clusterIP"],
  "/ResourceQuota": ["spec.scopes"],
  "/PersistentVolumeClaim": ["spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"],
  "apiextensions.k8s.io/CustomResourceDefinition": ["spec.scope"],
  "apps/DaemonSet": ["spec.selector"],
  "apps/Deployment": ["spec.selector"],
  "apps/StatefulSet": [
    "spec.podManagementPolicy",
    "spec.revisionHistoryLimit",
    "spec.selector",
    "spec.serviceName",
    "spec.volumeClaimTemplates",
  ],
  "batch/Job": ["spec.completions", "spec.parallelism", "spec.selector", "spec.template"],
  "rbac.authorization.k8s.io/ClusterRoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/RoleBinding": ["roleRef"],
  "storage.k8s.io/StorageClass": ["parameters", "provisioner"],
};

/** What has changed between two manifests of one resource, and which of it needs another object. */
export function diffManifests(earlier: Properties, later: Properties, options: DiffOptions): Change[] {
  // A state of before, or of a program that gives both, may have the one where the other is meant.
  const [old, next] = [withoutStringData(earlier), withoutStringData(later)];
  const fields = replacingFields(old, next, options);
  return changes(withNamespace(old, next, options), withNamespace(next, old, options), []).map(({ steps, kind }) => ({
    path: pathText(steps),
    kind,
    replaces: fields.some((field) => touches(steps, field)),
  }));
}

/**
 * The inputs as they would have to be to give what is there now. `before` is the object as the last operation left it:
 * where it and `now` agree the input stands, whatever the API server made of it, so that its defaults and its spelling
 * of quantities are no drift. Fields that are not in the inputs are not ours to watch.
 */
export function observedInputs(inputs: Properties, before: Properties, now: Properties): Properties {
  const written = withoutStringData(inputs);
  const seen = observed(written, before, now) as Properties;
  return isDeepStrictEqual(seen, written) ? inputs : seen;
}

function observed(input: Json, before: Json | undefined, now: Json | undefined): Json | undefined {
  if (isDeepStrictEqual(before, now)) return input;
  if (isObject(input) && isObject(now)) {
    const fields = Object.entries(input).map(
      ([key, value]) => [key, observed(value, isObject(before) ? before[key] : undefined, now[key])] as const,
    );
    return Object.fromEntries(fields.filter((field): field is [string, Json] => field[1] !== undefined));
  }
  if (Array.isArray(input) && Array.isArray(now)) {
    const earlier = Array.isArray(before) ? before : [];
    return now.map((element, index) => observed(input[index] ?? element, earlier[index], element) ?? null);
  }
  return now;
}

type Steps = readonly (string | number)[];

function changes(old: Json | undefined, next: Json | undefined, steps: Steps): { steps: Steps; kind: Change["kind"] }[] {
  if (isObject(old) && isObject(next)) {
    const keys = new Set([...Object.keys(old), ...Object.keys(next)]);
    return [...keys].flatMap((key) => changes(old[key], next[key], [...steps, key]));
  }
  if (Array.isArray(old) && Array.isArray(next)) {
    return Array.from({ length: Math.max(old.length, next.length) }).flatMap((_, index) =>
      changes(old[index], next[index], [...steps, index]),
    );
  }
  if (old === undefined) return next === undefined ? [] : [{ steps, kind: "add" }];
  if (next === undefined) return [{ steps, kind: "delete" }];
  return old === next ? [] : [{ steps, kind: "update" }];
}

function replacingFields(old: Properties, next: Properties, options: DiffOptions): string[] {
  const type = objectType(next);
  const fields = ["metadata.name", "metadata.namespace", ...(immutableFields[type] ?? [])];
  // Another version of the same group is the same object.
  if (objectType(old) !== type) fields.push("apiVersion", "kind");
  const frozen = old["immutable"] === true;
  // Content is replaced, not changed, so that what uses it can be made to notice (the official plugin's default).
  if (type === "/Secret" && (frozen || !options.mutableSecrets)) fields.push("data", "stringData");
  if (type === "/ConfigMap" && (frozen || !options.mutableConfigMaps)) fields.push("data", "binaryData");
  return fields;
}

/** `<API group>/<kind>`; the core group is empty. */
function objectType(manifest: Properties): string {
  const [group] = String(manifest["apiVersion"]).split("/").reverse().slice(1);
  return `${group ?? ""}/${String(manifest["kind"])}`;
}

/** No namespace and the default one are the same, for a kind that has namespaces; others have it on neither side. */
function withNamespace(manifest: Properties, other: Properties, { defaultNamespace }: DiffOptions): Properties {
  const { metadata } = manifest;
  const namespace = isObject(other["metadata"]) ? other["metadata"]["namespace"] : undefined;
  if (!isObject(metadata) || metadata["namespace"] !== undefined || namespace !== defaultNamespace) return manifest;
  return { ...manifest, metadata: { ...metadata, namespace } };
}

/** Whether a change at the path is inside the field or takes the field away with it. */
function touches(steps: Steps, field: string): boolean {
  return field.split(".").every((step, index) => steps[index] === undefined || steps[index] === step);
}

function pathText(steps: Steps): string {
  return steps.reduce<string>((path, step) => {
    if (typeof step === "number") return `${path}[${step}]`;
    if (/[."[\]]/.test(step)) return `${path}[${JSON.stringify(step)}]`;
    return path === "" ? step : `${path}.${step}`;
  }, "");
}
