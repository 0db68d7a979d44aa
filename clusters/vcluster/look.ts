import { existsSync } from "node:fs";
import { messageOf } from "../../shared/errors.ts";
import { connect } from "../../shared/kube-api.ts";
import { shellWord } from "../../shared/shell-word.ts";
import type { ReleasePlace } from "./helm.ts";
import { labMark } from "../../ledger/lab-mark.ts";
import { makerOf, markOf, namespaceAt } from "./ownership.ts";
import type { Thing } from "../../ledger/inventory.ts";
import type { Sight } from "../../ledger/sight.ts";

/** Where a virtual cluster is: the kubeconfig of the cluster below, its context where one is named, the namespace. */
export function virtualClusterId({ kubeconfig, context, namespace }: Pick<ReleasePlace, "kubeconfig" | "context" | "namespace">): string {
  return [kubeconfig, ...(context === undefined ? [] : [context]), namespace].join("#");
}

/** All of a virtual cluster is in its namespace, so that is what is looked for, and whose mark it carries. */
export async function lookForVirtualCluster({ id, mark }: Thing): Promise<Sight> {
  const [kubeconfig = "", ...rest] = id.split("#");
  const [namespace = "", context] = rest.reverse();
  const remove = [
    "kubectl",
    "--kubeconfig",
    shellWord(kubeconfig),
    ...(context === undefined ? [] : ["--context", shellWord(context)]),
    "delete",
    "namespace",
    namespace,
  ].join(" ");
  const unknown = (because: string): Sight => ({
    state: "unknown",
    says: `the virtual cluster in namespace ${namespace} of ${kubeconfig}: ${because}`,
    remove,
  });
  if (!existsSync(kubeconfig)) return unknown("that kubeconfig is not there any more");
  try {
    const found = await namespaceAt(connect(kubeconfig, context, 20_000), namespace);
    if (found === undefined) return { state: "gone" };
    const says = `namespace ${namespace} of ${kubeconfig}`;
    // One that an earlier version made and noted has no mark.
    if (markOf(found) === mark || (mark === undefined && markOf(found) === (await labMark())))
      return { state: "left", says: `${says}, with a virtual cluster`, remove };
    return { state: "foreign", says: `${says}: ${makerOf(found)}`, remove };
  } catch (error) {
    return unknown(`${messageOf(error).split("\n")[0]}`);
  }
}
