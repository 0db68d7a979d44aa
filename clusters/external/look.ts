import { clusterClient } from "../../host/kubernetes/client.ts";
import type { Thing } from "../../ledger/inventory.ts";
import { labMark } from "../../ledger/lab-mark.ts";
import type { Sight } from "../../ledger/sight.ts";
import { messageOf } from "../../shared/errors.ts";
import { connect } from "../../shared/kube-api.ts";
import { shellWord } from "../../shared/shell-word.ts";
import { readBrought, type Named } from "../brought-kubeconfig.ts";
import { collections, markedObjects, selectorOf, titleOf } from "./objects.ts";

/** Where a learner's lab is on a cluster that was brought: the kubeconfig, its context, and which cluster it is. */
export function externalClusterId({ kubeconfig, context }: Named, clusterId: string): string {
  return `${placeOf(`${kubeconfig}#${context ?? ""}#`)}#${clusterId}`;
}

/** By which kubeconfig it was come to. */
export const placeOf = (id: string) => id.slice(0, id.lastIndexOf("#"));

/** Looks for whatever carries the lab's marks, by the kubeconfig where it lies: the state's may be gone. */
export async function lookForExternalCluster({ id, mark, learner = "", name }: Thing, cohort: string): Promise<Sight> {
  const place = placeOf(id);
  const clusterId = id.slice(place.length + 1);
  const at = place.lastIndexOf("#");
  const [kubeconfig, context] = [place.slice(0, at), place.slice(at + 1)];
  const owner = { mark: mark ?? (await labMark()), cohort, learner };
  const remove = [
    "kubectl",
    "--kubeconfig",
    shellWord(kubeconfig),
    ...(context === "" ? [] : ["--context", shellWord(context)]),
    "delete",
    Object.keys(collections).join(","),
    "--selector",
    selectorOf(owner),
  ].join(" ");
  const unknown = (because: string): Sight => ({
    state: "unknown",
    says: `the lab on the cluster ${name ?? kubeconfig}: ${because}`,
    remove,
  });
  const read = readBrought({ kubeconfig, ...(context !== "" && { context }) });
  if ("problem" in read) return unknown(`its kubeconfig ${read.problem}`);
  try {
    if ((await clusterClient(read.kubeconfig).identity()) !== clusterId) return unknown(`${kubeconfig} leads to another cluster by now`);
    const there = await markedObjects(connect(read.kubeconfig, undefined, 20_000), owner);
    if (there.length === 0) return { state: "gone" };
    const more = there.length > 3 ? ` and ${there.length - 3} more` : "";
    return { state: "left", says: `${there.slice(-3).map(titleOf).join(", ")}${more} on the cluster ${read.server}`, remove };
  } catch (error) {
    return unknown(`${messageOf(error).split("\n")[0]}`);
  }
}
