import { z } from "zod";
import { fluxManifests, publishedImage } from "../../components/flux/manifests.ts";
import { readFluxDefinitions } from "../../host/flux/definitions.ts";
import { messageOf } from "../../shared/errors.ts";
import { ApiError, UnreachableError, type KubeApi } from "../../shared/kube-api.ts";
import { cohortLabel, environments, fluxNamespace, learnerLabel, markLabel } from "../../shared/names.ts";
import { waitUntil } from "../../shared/wait.ts";
import { stepFailure, type Doing } from "../step-failure.ts";
import { claimNamespace, collections, isOf, objectAt, titleOf, type Collection, type Owner, type Placed } from "./objects.ts";

export interface Claim extends Owner {
  /** With https://, for messages. */
  readonly server: string;
}

const claimPath = `${collections.namespaces}/${claimNamespace}`;
const endSeconds = 300;

const doingOf = ({ learner, server }: Claim): Doing => ({ learner, step: `take the cluster ${server}` });

/** What the lab makes outside of namespaces; none of it may be there before. test/components/clusters.test.ts compares it with the program. */
export async function namesOfLab(): Promise<Readonly<Record<Collection, readonly string[]>>> {
  const ofFlux = fluxManifests({ image: publishedImage });
  const named = (kind: string) => ofFlux.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name);
  return {
    namespaces: [fluxNamespace, ...environments],
    customresourcedefinitions: (await readFluxDefinitions()).map(({ metadata }) => metadata.name),
    clusterroles: ["gitops-lab-learner", ...named("ClusterRole")],
    clusterrolebindings: ["gitops-lab-learner", "gitops-lab-learner-view", ...named("ClusterRoleBinding")],
  };
}

/** The namespace by which this learner's lab has taken the cluster; undefined where it has not, or lets go of it. */
export async function claimOf(api: KubeApi, owner: Owner): Promise<Placed | undefined> {
  const found = await objectAt(api, claimPath);
  return found !== undefined && isOf(found, owner) && found.metadata.deletionTimestamp === undefined ? found : undefined;
}

/**
 * Throws LabError `external-taken` where somebody else has the cluster, or where something is in it that the lab would make;
 * `external-rights` where the kubeconfig's user may not do everything, as Flux must.
 */
export async function requireFree(api: KubeApi, claim: Claim): Promise<void> {
  const found = await objectAt(api, claimPath);
  if (found !== undefined && !isOf(found, claim)) throw taken(claim, found);
  await requireRights(api, claim);
  const names = await namesOfLab();
  const paths = Object.entries(names).flatMap(([collection, each]) =>
    each.map((name) => `${collections[collection as Collection]}/${name}`),
  );
  const there = (await Promise.all(paths.map((path) => objectAt(api, path)))).flatMap((one) => one ?? []);
  // What came after the claim is the lab's by its name, also where Flux has made it anew and knows nothing of marks.
  const isLater = ({ metadata }: Placed) => found !== undefined && metadata.creationTimestamp >= found.metadata.creationTimestamp;
  const foreign = there.filter((one) => !isOf(one, claim) && !isLater(one)).map(titleOf);
  if (foreign.length === 0) return;
  const more = foreign.length > 3 ? ` and ${foreign.length - 3} more` : "";
  throw stepFailure(doingOf(claim), {
    code: "external-taken",
    what: `it has ${foreign.slice(0, 3).join(", ")}${more} already, which this lab did not make. Nothing was created there`,
    remedy: "Every learner takes a whole cluster without Flux: name another kubeconfig, or remove these if nobody needs them",
  });
}

/** Takes the cluster; where an earlier run has, gives the namespace the labels that it should have. */
export async function take(api: KubeApi, claim: Claim, labels: Readonly<Record<string, string>>): Promise<Placed> {
  await awaitEnd(api, claim);
  const all = { ...labels, [markLabel]: claim.mark };
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name: claimNamespace, labels: all } };
  await api.send({ method: "POST", path: collections.namespaces, body }).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.reason === "AlreadyExists")) throw error;
  });
  // That somebody made it a moment before is seen by its labels.
  const found = await objectAt(api, claimPath);
  if (found === undefined || !isOf(found, claim)) throw taken(claim, found);
  if (Object.entries(all).some(([key, value]) => found.metadata.labels[key] !== value))
    await api.send({
      method: "PATCH",
      path: claimPath,
      contentType: "application/merge-patch+json",
      body: { metadata: { uid: found.metadata.uid, labels: all } },
    });
  return found;
}

/** One of the lab's own that an earlier run has begun to delete is waited out. */
async function awaitEnd(api: KubeApi, claim: Claim): Promise<void> {
  await waitUntil(
    async () => {
      const found = await objectAt(api, claimPath);
      return found !== undefined && isOf(found, claim) && found.metadata.deletionTimestamp !== undefined
        ? { done: false, because: "it is still being deleted." }
        : { done: true, value: undefined };
    },
    {
      what: `the end of the namespace ${claimNamespace} on learner ${claim.learner}'s cluster`,
      timeoutSeconds: endSeconds,
      intervalMs: 500,
      remedy: `\`kubectl get namespace ${claimNamespace} --output yaml\` there tells what it waits for; then run the command again.`,
    },
  );
}

function taken(claim: Claim, found: Placed | undefined): Error {
  const { [markLabel]: mark, [cohortLabel]: cohort, [learnerLabel]: learner } = found?.metadata.labels ?? {};
  const isOurs = mark === claim.mark;
  const what =
    mark === undefined || cohort === undefined
      ? `it has a namespace ${claimNamespace}, by which labs take a cluster, and no lab has made that`
      : `${isOurs ? "" : `another lab (mark ${mark}) has it, for `}learner ${learner ?? "?"} of cohort ${cohort}${isOurs ? " has it" : ""}`;
  const end = cohort === undefined ? "" : `, or end the other one with \`./lab down ${cohort}\`${isOurs ? "" : " where it was made"}`;
  return stepFailure(doingOf(claim), {
    code: "external-taken",
    what: `${what}. Nothing was created there`,
    remedy: `Every learner takes a whole cluster: name the kubeconfig of another${end}`,
  });
}

const Review = z.object({ status: z.object({ allowed: z.boolean() }) });

async function requireRights(api: KubeApi, claim: Claim): Promise<void> {
  const answer = await api.send({
    method: "POST",
    path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectAccessReview",
      spec: { resourceAttributes: { verb: "*", group: "*", version: "*", resource: "*" } },
    },
  });
  if (Review.parse(answer).status.allowed) return;
  throw stepFailure(doingOf(claim), {
    code: "external-rights",
    what: "the kubeconfig's user may not do everything there, and Flux needs that. Nothing was created there",
    remedy: "Name the kubeconfig of a user with the role cluster-admin",
  });
}

/** What the cluster said, with what helps; other errors as they are. */
export function explained(error: unknown, doing: Doing): unknown {
  const failure = (code: string, remedy: string) => stepFailure(doing, { code, what: messageOf(error), remedy, cause: error });
  if (error instanceof UnreachableError) return failure("external-unreachable", "Check `cluster.kubeconfig` with `kubectl cluster-info`");
  if (error instanceof ApiError && [401, 403].includes(error.status))
    return failure("external-rights", "Name the kubeconfig of a user with the role cluster-admin");
  return error;
}
