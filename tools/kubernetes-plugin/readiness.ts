import type { Look } from "../../shared/wait.ts";
import { isObject, type Json, type Properties } from "../../shared/json.ts";

/** Whether an object that was made can be used, and if not what it says about itself. */
export function lookReady(object: Properties): Look<Properties> {
  const because = whyNotReady(object);
  return because === undefined ? { done: true, value: object } : { done: false, because };
}

/** Only kinds that something else in a program waits for; the rest is ready when it is stored. */
function whyNotReady(object: Properties): string | undefined {
  const status = isObject(object["status"]) ? object["status"] : {};
  switch (`${String(object["apiVersion"])}/${String(object["kind"])}`) {
    case "v1/Namespace":
      return status["phase"] === "Active" ? undefined : `Its phase is ${String(status["phase"] ?? "not set")}.`;
    case "apiextensions.k8s.io/v1/CustomResourceDefinition":
      return conditions(status).some(({ type, status: is }) => type === "Established" && is === "True")
        ? undefined
        : `It is not established. ${describeConditions(status, "False")}`;
    case "apps/v1/Deployment":
      return whyNotRolledOut(object, status);
    default:
      return undefined;
  }
}

function whyNotRolledOut(deployment: Properties, status: Properties): string | undefined {
  const { generation } = isObject(deployment["metadata"]) ? deployment["metadata"] : {};
  const { replicas: wanted = 1, paused } = isObject(deployment["spec"]) ? deployment["spec"] : {};
  if (paused === true) return undefined;
  if (Number(status["observedGeneration"] ?? 0) < Number(generation)) return "The controller manager has not seen it yet.";
  const { updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = status;
  if (updatedReplicas === wanted && availableReplicas === wanted && replicas === wanted) return undefined;
  return `${updatedReplicas} of ${wanted} replicas are up to date, ${availableReplicas} available. ${describeConditions(status, "False", "ReplicaFailure")}`;
}

/** Why an object that is being deleted is still there. */
export function whyNotGone(object: Properties): string {
  const metadata = isObject(object["metadata"]) ? object["metadata"] : {};
  const spec = isObject(object["spec"]) ? object["spec"] : {};
  const finalizers = [metadata["finalizers"], spec["finalizers"]].flatMap((list) => (Array.isArray(list) ? list : []));
  const held = finalizers.length > 0 ? `It is held by the finalizers ${finalizers.join(", ")}.` : "It is still there.";
  const status = isObject(object["status"]) ? object["status"] : {};
  return object["kind"] === "Namespace" ? `${held} ${describeConditions(status, "True")}`.trim() : held;
}

function describeConditions(status: Properties, value: "True" | "False", alsoWhenTrue?: string): string {
  return conditions(status)
    .filter(({ type, status: is }) => is === value || (type === alsoWhenTrue && is === "True"))
    .map(({ type, message, reason }) => `${String(type)}: ${String(message || reason)}`)
    .join(" ");
}

function conditions(status: Properties): Properties[] {
  const list: Json | undefined = status["conditions"];
  return Array.isArray(list) ? list.filter(isObject) : [];
}
