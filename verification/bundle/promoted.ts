import { isObject, type Json } from "../../shared/json.ts";
import type { BackendDeployment } from "../backend-deployment.ts";
import type { Promoted } from "./schema.ts";

/** Flux applies what Git says under this name. */
const gitManager = "kustomize-controller";

/**
 * Who set the image that a Deployment's container asks for, by its managed fields; undefined where nobody owns it. They
 * tell of the image that stands now: what somebody set by hand and Flux has corrected since is not in them.
 */
export function promotedBy({ object, container }: BackendDeployment): Promoted | undefined {
  const path = ["f:spec", "f:template", "f:spec", "f:containers", `k:${JSON.stringify({ name: container })}`, "f:image"];
  const managers = object.metadata.managedFields
    .filter(({ fieldsV1 }) => has(fieldsV1 as Json, path))
    .map(({ manager, operation, time }) => ({ manager, operation, time }));
  if (managers.length === 0) return undefined;
  return { how: managers.every(({ manager }) => manager === gitManager) ? "git" : "manual", managers };
}

function has(tree: Json | undefined, [key, ...rest]: readonly string[]): boolean {
  if (key === undefined) return tree !== undefined;
  return isObject(tree) && has(tree[key], rest);
}
