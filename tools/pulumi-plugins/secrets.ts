import { isObject, type Json, type Properties } from "../../shared/json.ts";

/*
 * Pulumi properties as they cross its wire: JSON in which a secret is an object with a signature and a value that is
 * not known yet (in a preview) is one fixed string. The constants are Pulumi's (runtime/rpc.ts of its SDK); that module
 * is not imported because it loads most of the SDK into every plugin process.
 */

const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function asSecret(value: Json): Json {
  return isSecret(value) ? value : { [signatureKey]: secretSignature, value };
}

export function isSecret(value: Json | undefined): value is Properties {
  return isObject(value) && value[signatureKey] === secretSignature;
}

/** Whether it is a secret, or has one in it. */
export function hasSecret(value: Json | undefined): boolean {
  if (isSecret(value)) return true;
  if (Array.isArray(value)) return value.some(hasSecret);
  return isObject(value) && Object.values(value).some(hasSecret);
}

/** The value with every secret in it bare. */
export function bare(value: Json): Json {
  if (isSecret(value)) return bare(value["value"] ?? null);
  if (Array.isArray(value)) return value.map(bare);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, field]) => [key, bare(field)])) : value;
}
