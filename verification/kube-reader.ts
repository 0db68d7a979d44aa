import {
  ApiException,
  createConfiguration,
  KubeConfig,
  KubernetesObjectApi,
  type RequestContext,
  type ResponseContext,
  ServerConfiguration,
  type V1Status,
} from "@kubernetes/client-node";
import { LabError } from "../shared/errors.ts";

/**
 * Reads a cluster. What comes back is plain JSON, unchecked; `live-objects.ts` gives it a type. Of the built-in kinds,
 * only fields that client-node knows come through, and those it renames (`default`, `enum`, `continue`) do not.
 */
export interface KubeReader {
  /** Every object of a kind, in one namespace or (without it) in all. */
  list(apiVersion: string, kind: string, namespace?: string): Promise<readonly unknown[]>;
  /** One object; undefined where the cluster says that there is none. */
  get(apiVersion: string, kind: string, namespace: string, name: string): Promise<unknown>;
}

/**
 * A reader over a kubeconfig (YAML). Throws on reading, not before, when it can't look: kubeconfig unusable, cluster
 * away, access denied, kind unknown, or the signal aborted.
 */
export function kubeReader(kubeconfig: string, signal: AbortSignal): KubeReader {
  let connected: KubernetesObjectApi | undefined;
  const api = () => (connected ??= connect(kubeconfig, signal));

  return {
    async list(apiVersion, kind, namespace) {
      const found = await api()
        .list(apiVersion, kind, namespace)
        .catch((error: unknown) => refuse(error, kind));
      // Items of the built-in kinds come without their apiVersion and kind.
      return found.items.map((item) => ({ ...toJson(item), apiVersion, kind }));
    },
    async get(apiVersion, kind, namespace, name) {
      try {
        return toJson(await api().read({ apiVersion, kind, metadata: { namespace, name } }));
      } catch (error) {
        if (error instanceof ApiException && error.code === 404 && statusOf(error)?.details?.name === name) return undefined;
        return refuse(error, kind);
      }
    },
  };
}

function connect(kubeconfig: string, signal: AbortSignal): KubernetesObjectApi {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    throw new LabError("kubeconfig-invalid", "The kubeconfig names no current cluster. Run `pulumi up` to write it anew.");
  }
  let connections: ReturnType<RequestContext["getDispatcher"]>;
  const withSignal = {
    pre: async (request: RequestContext) => {
      request.setSignal(signal);
      // client-node 2.0 gives every request connections of its own, so a handshake each: all go over the first one's.
      connections ??= request.getDispatcher();
      if (connections !== undefined) request.setDispatcher(connections);
      return request;
    },
    post: async (response: ResponseContext) => response,
  };
  // Not KubernetesObjectApi.makeApiClient, which leaves no way to give every request a signal.
  return new KubernetesObjectApi(
    createConfiguration({
      baseServer: new ServerConfiguration(cluster.server, {}),
      authMethods: { default: config },
      promiseMiddleware: [withSignal],
    }),
  );
}

/** client-node turns times into Date objects; readers want what the API sent. */
function toJson(object: object): object {
  return JSON.parse(JSON.stringify(object)) as object;
}

/** client-node's own message holds every header of the answer; what the API server says about it is enough. */
function refuse(error: unknown, kind: string): never {
  if (!(error instanceof ApiException)) throw error;
  const says = statusOf(error)?.message ?? "no such path";
  throw new LabError("cluster-refused", `The cluster did not give ${kind}: ${error.code}: ${says}. Try \`kubectl get ${kind}\`.`);
}

/** The API server's Status object; undefined where something else answered, such as a proxy or an absent API group. */
function statusOf(error: ApiException<unknown>): V1Status | undefined {
  if (typeof error.body !== "string") return error.body as V1Status;
  return error.body.startsWith("{") ? (JSON.parse(error.body) as V1Status) : undefined;
}
