import { ApiError, connect, UnreachableError, type KubeApi } from "../../shared/kube-api.ts";
import { cohortLabel, learnerLabel, markLabel } from "../../shared/names.ts";
import { waitUntil } from "../../shared/wait.ts";
import type { Driver } from "../../host/driver.ts";
import { readInventory, recordCreation, type Thing } from "../../ledger/inventory.ts";
import { virtualClusterId } from "./look.ts";
import { labMark } from "../../ledger/lab-mark.ts";
import { explained, markOf, namespaceAt, requireOwn, type Namespace } from "./ownership.ts";
import { isUnreachableGone } from "../unreachable.ts";

export interface VirtualClusterNamespaceInput {
  readonly cohort: string;
  readonly learner: string;
  /** Path of the kubeconfig of the cluster below. */
  readonly kubeconfig: string;
  /** Context in it; without it the current one. */
  readonly context?: string;
  readonly name: string;
  /** What it is made with, beside the mark. A change of them is Pulumi's to make, once the lab knows again whose it is. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface VirtualClusterNamespaceOutput {
  readonly learner: string;
  readonly kubeconfig: string;
  readonly context?: string;
  readonly name: string;
  /** Of the lab home that made it. */
  readonly mark: string;
}

const endSeconds = 300;

/**
 * The namespace of a learner's virtual cluster, by the lab's mark and not by its name: another lab may have a learner of the
 * same name in a cohort of the same name. Ours and not Pulumi's, which takes over and deletes what has the name.
 */
export const virtualClusterNamespace: Driver<VirtualClusterNamespaceInput, VirtualClusterNamespaceOutput, "virtual-cluster-namespace"> = {
  name: "virtual-cluster-namespace",
  replaceOn: ["cohort", "learner", "kubeconfig", "context", "name"],
  optional: ["context"],

  async ensure({ cohort, learner, kubeconfig, context, name, labels }) {
    const thing = {
      kind: "virtual-cluster",
      id: virtualClusterId({ kubeconfig, context, namespace: name }),
      learner,
      name,
      mark: await labMark(),
    } as const;
    try {
      const api = connect(kubeconfig, context);
      const found = await living(api, thing);
      if (found === undefined) {
        await recordCreation(cohort, thing);
        await create(api, name, { ...labels, [markLabel]: thing.mark });
      } else if (await isOfEarlierVersion(found, cohort, thing)) await mark(api, found, thing.mark);
      await requireOwn(api, { learner, kubeconfig, name, mark: thing.mark });
      // What was there before is noted once it is known to be the lab's.
      if (found !== undefined) await recordCreation(cohort, thing);
    } catch (error) {
      throw explained(error, { learner, step: `make the namespace ${name} of ${kubeconfig}` });
    }
    return {
      id: `${cohort}/${learner}/${name}`,
      output: { learner, kubeconfig, ...(context !== undefined && { context }), name, mark: thing.mark },
    };
  },

  /** One that carries another mark by now is not the lab's. Out of reach is not gone, unless the run was told so. */
  async read(_id, output) {
    try {
      const found = await namespaceAt(connect(output.kubeconfig, output.context), output.name);
      return found !== undefined && markOf(found) === output.mark && found.metadata.deletionTimestamp === undefined ? output : undefined;
    } catch (error) {
      if (error instanceof UnreachableError && isUnreachableGone()) return undefined;
      throw error;
    }
  },

  /** With everything in it. One that is not the lab's stays, and is told by the inventory. */
  async remove(_id, { learner, kubeconfig, context, name, mark: own }) {
    try {
      const api = connect(kubeconfig, context);
      const found = await namespaceAt(api, name);
      if (found === undefined || markOf(found) !== own) return;
      await end(api, learner, found);
    } catch (error) {
      if (error instanceof UnreachableError && isUnreachableGone()) return;
      throw explained(error, { learner, step: `remove the namespace ${name} of ${kubeconfig}` });
    }
  },
};

/** The namespace of that name; one of the lab's own that an earlier run has begun to delete is waited out. */
async function living(
  api: KubeApi,
  { name, learner, mark: own }: { readonly name: string; readonly learner: string; readonly mark: string },
): Promise<Namespace | undefined> {
  const found = await namespaceAt(api, name);
  if (found?.metadata.deletionTimestamp === undefined || markOf(found) !== own) return found;
  await awaitEnd(api, learner, found);
  return undefined;
}

/** That somebody made it a moment before is seen by its mark. */
async function create(api: KubeApi, name: string, labels: Readonly<Record<string, string>>): Promise<void> {
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { ...labels } } };
  await api.send({ method: "POST", path: "/api/v1/namespaces", body }).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.reason === "AlreadyExists")) throw error;
  });
}

/** Earlier versions put no mark on it, and noted it without one: then the note tells whose it is. */
async function isOfEarlierVersion(found: Namespace, cohort: string, { id, learner }: Pick<Thing, "id" | "learner">): Promise<boolean> {
  const { labels } = found.metadata;
  if (markOf(found) !== undefined || labels[cohortLabel] !== cohort || labels[learnerLabel] !== learner) return false;
  return (await readInventory(cohort)).some((item) => item.kind === "virtual-cluster" && item.id === id && item.mark === undefined);
}

async function mark(api: KubeApi, { metadata: { name, uid } }: Namespace, own: string): Promise<void> {
  await api.send({
    method: "PATCH",
    path: `/api/v1/namespaces/${name}`,
    contentType: "application/merge-patch+json",
    body: { metadata: { uid, labels: { [markLabel]: own } } },
  });
}

/** By its uid, so that it is none that came into its place a moment ago. */
async function end(api: KubeApi, learner: string, namespace: Namespace): Promise<void> {
  const { name, uid } = namespace.metadata;
  const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid } };
  await api.send({ method: "DELETE", path: `/api/v1/namespaces/${name}`, body }).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.reason === "Conflict")) throw error;
  });
  await awaitEnd(api, learner, namespace);
}

async function awaitEnd(api: KubeApi, learner: string, { metadata: { name, uid } }: Namespace): Promise<void> {
  await waitUntil(
    async () => {
      const found = await namespaceAt(api, name);
      return found?.metadata.uid === uid ? { done: false, because: "it is still being deleted." } : { done: true, value: undefined };
    },
    {
      what: `the end of learner ${learner}'s namespace ${name}`,
      timeoutSeconds: endSeconds,
      intervalMs: 500,
      remedy: `\`kubectl get namespace ${name} --output yaml\` on the cluster below tells what it waits for; then run the command again.`,
    },
  );
}
