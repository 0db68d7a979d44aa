import { isObject } from "../../../shared/json.ts";
import { ApiError, type KubeApi } from "../../../shared/kube-api.ts";

/** Where what the policies look at is listed, by API path and resource. */
const looked: readonly (readonly [string, readonly string[]])[] = [
  ["/api/v1", ["pods", "namespaces", "persistentvolumes", "services", "endpoints", "nodes"]],
  ["/apis/discovery.k8s.io/v1", ["endpointslices"]],
  ["/apis/networking.k8s.io/v1", ["servicecidrs"]],
  ["/apis/apiregistration.k8s.io/v1", ["apiservices"]],
  ["/apis/apiextensions.k8s.io/v1", ["customresourcedefinitions"]],
  ["/apis/admissionregistration.k8s.io/v1", ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]],
];

export interface RefusedThing {
  /** As `pods lax/old`. */
  readonly name: string;
  /** What a policy says of it. */
  readonly told: string;
}

/**
 * What a cluster has of a time before the policies and they would refuse today: policies look at requests, and what is in
 * etcd already goes on. Each object is asked of by a change of nothing that is not carried out, so the policies themselves
 * answer.
 *
 * @param api as the administrator
 */
export async function findRefusedThings(api: KubeApi): Promise<readonly RefusedThing[]> {
  const found: RefusedThing[] = [];
  for (const [base, resources] of looked) {
    for (const resource of resources) {
      const items = (await api.send({ method: "GET", path: `${base}/${resource}` }))?.["items"];
      for (const item of Array.isArray(items) ? items : []) {
        const metadata = isObject(item) ? item["metadata"] : undefined;
        if (!isObject(metadata)) continue;
        const { name, namespace } = metadata as { readonly name: string; readonly namespace?: string };
        const within = namespace === undefined ? "" : `namespaces/${namespace}/`;
        const told = await whatIsTold(api, `${base}/${within}${resource}/${encodeURIComponent(name)}`);
        if (told !== undefined) found.push({ name: `${resource} ${namespace === undefined ? "" : `${namespace}/`}${name}`, told });
      }
    }
  }
  return found;
}

async function whatIsTold(api: KubeApi, path: string): Promise<string | undefined> {
  try {
    await api.send({ method: "PATCH", path: `${path}?dryRun=All`, contentType: "application/merge-patch+json", body: {} });
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Other refusals are none of the policies': what an earlier version of the API took may not fit the rules of its kind today.
    return /ValidatingAdmissionPolicy '[^']+\.static\.k8s\.io'.* denied request: (.*)/s.exec(error.message)?.[1];
  }
}
