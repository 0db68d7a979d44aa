export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** A JSON object. */
export type Properties = { [key: string]: Json };

export function isObject(value: Json | undefined): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
