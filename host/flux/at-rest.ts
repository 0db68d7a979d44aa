import { fluxNamespace, type Environment } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import type { Look } from "../../shared/wait.ts";
import { backendName } from "../../verification/backend-deployment.ts";
import type { KubeReader } from "../../verification/kube-reader.ts";
import { ImageRepository, ImageUpdateAutomation, listLive } from "../../verification/live-objects.ts";
import { waitingFor } from "../../verification/readiness.ts";
import { lookAtHandOver } from "./hand-over.ts";

/** Whether everything is as at hand-over and image automation is well too: nothing suspended, nothing under way. */
export async function lookAtRest(
  kube: KubeReader,
  repository: LearnerOutputs["git"],
  order: readonly Environment[],
): Promise<Look<undefined>> {
  const [scans, automations] = await Promise.all([listLive(kube, ImageRepository, fluxNamespace), listLive(kube, ImageUpdateAutomation)]);
  const waiting = waitingFor(
    [...scans, ...automations],
    [
      { kind: ImageRepository.kind, namespace: fluxNamespace, name: backendName },
      ...order.map((namespace) => ({ kind: ImageUpdateAutomation.kind, namespace, name: backendName })),
    ],
  );
  if (waiting.length > 0) return { done: false, because: waiting.join(" ") };
  const look = await lookAtHandOver(kube, repository, order);
  return look.done ? { done: true, value: undefined } : look;
}
