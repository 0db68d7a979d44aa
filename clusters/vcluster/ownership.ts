import { z } from "zod";
import { LabError, messageOf } from "../../shared/errors.ts";
import { ApiError, UnreachableError, type KubeApi } from "../../shared/kube-api.ts";
import { cohortLabel, learnerLabel, markLabel } from "../../shared/names.ts";
import { stepFailure, type Doing } from "../step-failure.ts";

/** A namespace of a Kubernetes on which several labs may be. */
const Namespace = z.object({
  metadata: z.object({
    name: z.string(),
    uid: z.string(),
    creationTimestamp: z.string(),
    deletionTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).default({}),
  }),
});
export type Namespace = z.output<typeof Namespace>;

/** The namespace of that name; undefined where there is none. */
export async function namespaceAt(api: KubeApi, name: string): Promise<Namespace | undefined> {
  const found = await api.send({ method: "GET", path: `/api/v1/namespaces/${name}` });
  return found && Namespace.parse(found);
}

/** The mark of the lab home that made it; undefined for what no lab made, and for what one made that put no mark on it yet. */
export function markOf({ metadata }: Namespace): string | undefined {
  return metadata.labels[markLabel];
}

export interface OwnNamespace {
  readonly learner: string;
  /** Path of the kubeconfig of the cluster below. */
  readonly kubeconfig: string;
  readonly name: string;
  /** Of the lab home that is to have made it. */
  readonly mark: string;
}

/** Throws LabError `namespace-taken` where the namespace does not carry the mark. */
export async function requireOwn(api: KubeApi, { learner, kubeconfig, name, mark }: OwnNamespace): Promise<void> {
  const found = await namespaceAt(api, name);
  if (found !== undefined && markOf(found) === mark) return;
  const cohort = found?.metadata.labels[cohortLabel];
  throw new LabError(
    "namespace-taken",
    `Learner ${learner}: the namespace ${name} of ${kubeconfig} is not this lab's: ${found === undefined ? "somebody deleted it" : makerOf(found)}. It was left as it is. ` +
      `Give this cohort another name, which is that of its file, or ${cohort === undefined ? "remove the namespace if nobody needs it" : `end the other one with \`./lab down ${cohort}\` where it was made`}, then run \`./lab up\` again; other learners are not affected.`,
  );
}

/** Whose it seems to be, by its labels, as the end of a sentence. */
export function makerOf(namespace: Namespace): string {
  const { labels, creationTimestamp } = namespace.metadata;
  const [mark, cohort, learner] = [markOf(namespace), labels[cohortLabel], labels[learnerLabel]];
  const whose = cohort === undefined ? "" : `cohort ${cohort}${learner === undefined ? "" : `, learner ${learner}`}, `;
  return mark === undefined && cohort === undefined
    ? `something other than a lab made it (${creationTimestamp})`
    : `another lab made it (${whose}mark ${mark ?? "none"}, ${creationTimestamp})`;
}

/** What the cluster below said, with what helps; other errors as they are. */
export function explained(error: unknown, doing: Doing): unknown {
  const failure = (code: string, remedy: string) => stepFailure(doing, { code, what: messageOf(error), remedy, cause: error });
  if (error instanceof UnreachableError) return failure("shared-unreachable", "Check `cluster.kubeconfig` with `kubectl cluster-info`");
  if (error instanceof ApiError && [401, 403].includes(error.status))
    return failure("shared-rights", "The kubeconfig's user must be allowed to make and delete namespaces");
  return error;
}
