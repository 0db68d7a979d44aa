import { isObject, type Json, type Properties } from "../../shared/json.ts";
import { unknown } from "../pulumi-plugins/secrets.ts";
import type { ObjectReference } from "./objects.ts";

export function metadataOf(manifest: Properties): Properties {
  return isObject(manifest["metadata"]) ? manifest["metadata"] : {};
}

export function annotation(manifest: Properties, name: string): string | undefined {
  const { annotations } = metadataOf(manifest);
  return isObject(annotations) ? textOf(annotations[name]) : undefined;
}

export function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function referenceOf(manifest: Properties): ObjectReference {
  const { name, namespace } = metadataOf(manifest);
  return { apiVersion: String(manifest["apiVersion"]), kind: String(manifest["kind"]), name: String(name), namespace: textOf(namespace) };
}

/** The object behind a resource's id; the state of one that is being imported is empty, but its type says the kind. */
export function referenceFrom(urn: string, id: string, state: Properties): ObjectReference {
  const [name = "", namespace] = id.split("/").reverse();
  const { apiVersion, kind } = kindOfType(urn);
  return { apiVersion: textOf(state["apiVersion"]) ?? apiVersion, kind: textOf(state["kind"]) ?? kind, name, namespace };
}

/** Pulumi's id of an object, the official plugin's too: `[<namespace>/]<name>`. */
export function idOf({ name, namespace }: ObjectReference): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** `kubernetes:apps/v1:Deployment` of a URN; the core group is written `core/v1`. */
export function kindOfType(urn: string): { readonly apiVersion: string; readonly kind: string } {
  const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
  const [, apiVersion = "", kind = ""] = type.split(":");
  return { apiVersion: apiVersion.replace(/^core\//, ""), kind };
}

export function logicalName(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** For messages. */
export function describe(reference: ObjectReference): string {
  return `${reference.kind} ${idOf(reference)}`;
}

/**
 * A Secret as the API server keeps it: `stringData` as `data`, over what is there. The official plugin applies it in this
 * form, too. What is not known before the update stays as it is.
 */
export function withoutStringData(manifest: Properties): Properties {
  const { stringData, ...rest } = manifest;
  if (manifest["apiVersion"] !== "v1" || manifest["kind"] !== "Secret" || !isObject(stringData)) return manifest;
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    value === unknown ? value : Buffer.from(String(value ?? "")).toString("base64"),
  ]);
  const data = isObject(rest["data"]) ? rest["data"] : {};
  return { ...rest, data: { ...data, ...(Object.fromEntries(encoded) as Properties) } };
}

const serverSet = [
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "selfLink",
  "uid",
];

/** The manifest without what only the API server may say. */
export function withoutServerFields(manifest: Properties): Properties {
  const { status: _status, ...rest } = manifest;
  if (!isObject(rest["metadata"])) return rest;
  const metadata = Object.fromEntries(Object.entries(rest["metadata"]).filter(([field]) => !serverSet.includes(field)));
  return { ...rest, metadata };
}

/** Seconds: the resource's custom timeout, else its annotation, else the official plugin's ten minutes. */
export function timeoutOf(manifest: Properties, customSeconds: number): number {
  const annotated = Number(annotation(manifest, "pulumi.com/timeoutSeconds"));
  return customSeconds || annotated || 600;
}
