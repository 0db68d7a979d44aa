import { isObject, type Json, type Properties } from "../../shared/json.ts";
import { asSecret, bare, hasSecret, isSecret } from "../pulumi-plugins/secrets.ts";

/* A Kubernetes object as Pulumi's properties. */

/** Keys of a CustomResourceDefinition that are no identifiers; the SDK's types write them with underscores. */
const dashedKeys = new Map(
  ["embedded-resource", "int-or-string", "list-map-keys", "list-type", "map-type", "preserve-unknown-fields", "validations"]
    .map((name) => `x-kubernetes-${name}`)
    .map((key) => [key.replaceAll("-", "_"), key]),
);
const underscoredKeys = new Map([...dashedKeys].map(([underscored, dashed]) => [dashed, underscored]));

/** The object as Kubernetes knows it: secrets bare, `x-kubernetes-*` with dashes. */
export function toManifest(properties: Properties): Properties {
  return rewrite(properties, dashedKeys) as Properties;
}

/** The object as the SDK's output types know it. */
export function toOutputs(object: Properties): Properties {
  return rewrite(object, underscoredKeys) as Properties;
}

/**
 * The object with everything secret that is secret in `marks`, and a Secret's content in any case. Where one element of
 * a list is secret the whole list is, because elements change places.
 */
export function withSecrets(object: Properties, marks: Properties): Properties {
  const marked: Properties = {};
  for (const [key, value] of Object.entries(object)) {
    const mark = marks[key];
    if (object["kind"] === "Secret" && (key === "data" || key === "stringData")) marked[key] = asSecret(value);
    else if (isObject(value) && isObject(mark) && !isSecret(mark)) marked[key] = withSecrets(value, mark);
    else marked[key] = hasSecret(mark) ? asSecret(value) : value;
  }
  return marked;
}

/** Every string that must not be shown: below a secret mark, or in a Secret's content. */
export function secretTexts(properties: Properties): string[] {
  const marked = withSecrets(properties, properties);
  const found: string[] = [];
  const visit = (value: Json, secret: boolean): void => {
    if (isSecret(value)) visit(value["value"] ?? null, true);
    else if (Array.isArray(value)) value.forEach((element) => visit(element, secret));
    else if (isObject(value)) Object.values(value).forEach((field) => visit(field, secret));
    // What is shorter tells nothing, and would be found in the middle of words.
    else if (secret && typeof value === "string" && value.length > 3) found.push(value);
  };
  visit(marked, false);
  // What a Secret's content is before it is encoded may be quoted as well.
  const content = properties["kind"] === "Secret" ? bare(properties["data"] ?? null) : null;
  const plain = (isObject(content) ? Object.values(content) : []).map((value) => Buffer.from(String(value), "base64").toString());
  return [...found, ...plain.filter(({ length }) => length > 3)];
}

function rewrite(value: Json, keys: ReadonlyMap<string, string>): Json {
  if (isSecret(value)) return rewrite(value["value"] ?? null, keys);
  if (Array.isArray(value)) return value.map((element) => rewrite(element, keys));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [keys.get(key) ?? key, rewrite(field, keys)]));
}
