import { z } from "zod";
import { messageOf } from "../../shared/errors.ts";
import type { Properties } from "../../shared/json.ts";
import { connect } from "../../shared/kube-api.ts";
import type { Look } from "../../shared/wait.ts";

/** The few writes that the lab itself makes in a learner's cluster; everything else is Pulumi's or Git's. */
export interface ClusterClient {
  /** Server-side apply of a Node, as field manager `gitops-lab`. */
  applyNode(name: string, metadata: Properties): Promise<void>;
  /** Server-side apply of a Deployment. */
  applyDeployment(namespace: string, name: string, deployment: Properties): Promise<void>;
  /** Server-side apply of a CustomResourceDefinition. */
  applyDefinition(name: string, definition: Properties): Promise<void>;
  /** Whether the API server serves all these resources (API paths), and if not which it does not. */
  lookServed(paths: readonly string[]): Promise<Look<undefined>>;
  /** Lets a user read these resources (by API group) in every namespace, under a role of that name. */
  grantReading(role: string, user: string, resources: Readonly<Record<string, readonly string[]>>): Promise<void>;
  /** Asks a Flux controller to reconcile the object now, the way `flux reconcile` does; returns the time that the object's status will name. */
  requestReconcile(object: FluxObjectName): Promise<string>;
  /** Whether the API server answers and has done its start-up work, and if not why. */
  lookReady(): Promise<Look<undefined>>;
  /** Whether a node takes pods, and if not why. */
  lookNodeReady(name: string): Promise<Look<undefined>>;
  /** Whether every pod of a namespace, or those that a label selector takes, is ready or has done its work, and there is one; if not which is not. */
  lookPodsReady(namespace: string, labelSelector?: string): Promise<Look<undefined>>;
  /** What tells this cluster from one made anew in its place: the uid of its kube-system namespace. */
  identity(): Promise<string>;
  /** Makes a namespace, unless it is there, and a service account in it. */
  applyServiceAccount(namespace: string, name: string): Promise<void>;
  /** A token of a service account for so many seconds, or fewer where the cluster caps them, and when it ends (ISO 8601). */
  issueToken(namespace: string, name: string, seconds: number): Promise<{ readonly token: string; readonly endsAt: string }>;
}

export interface FluxObjectName {
  /** E.g. `source.toolkit.fluxcd.io/v1`. */
  readonly apiVersion: string;
  /** Lower-case plural of the kind, as the API's paths have it. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

const NodeStatus = z.object({
  status: z
    .object({ conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().default("") })).default([]) })
    .default({ conditions: [] }),
});

const Pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z
        .object({
          phase: z.string().default("Pending"),
          conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().default("") })).default([]),
        })
        .default({ phase: "Pending", conditions: [] }),
    }),
  ),
});

const TokenAnswer = z.object({ status: z.object({ token: z.string(), expirationTimestamp: z.string() }) });

const fieldManager = "gitops-lab";

/** A client for the cluster that the kubeconfig (YAML text or path) names; without a context its current one. */
export function clusterClient(kubeconfig: string, context?: string): ClusterClient {
  const api = connect(kubeconfig, context);

  /** `connect` answers undefined for 404. */
  async function patch(path: string, contentType: string, body: Properties): Promise<void> {
    const answer = await api.send({ method: "PATCH", path, contentType, body });
    if (answer === undefined) throw new Error(`${path} does not exist`);
  }

  const apply = (path: string, body: Properties) =>
    patch(`${path}?fieldManager=${fieldManager}&force=true`, "application/apply-patch+yaml", body);

  return {
    applyNode: (name, metadata) => apply(`/api/v1/nodes/${name}`, { apiVersion: "v1", kind: "Node", metadata: { name, ...metadata } }),
    applyDeployment: (namespace, name, deployment) => apply(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`, deployment),
    applyDefinition: (name, definition) => apply(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`, definition),
    async lookServed(paths) {
      const answers = await Promise.all(paths.map((path) => api.send({ method: "GET", path: `${path}?limit=1` })));
      const missing = paths.filter((_, index) => answers[index] === undefined);
      return missing.length === 0 ? { done: true, value: undefined } : { done: false, because: `not served yet: ${missing.join(", ")}.` };
    },
    async grantReading(role, user, resources) {
      const apiVersion = "rbac.authorization.k8s.io/v1";
      const apiGroup = "rbac.authorization.k8s.io";
      const rules = Object.entries(resources).map(([group, names]) => ({
        apiGroups: [group],
        resources: [...names],
        verbs: ["get", "list", "watch"],
      }));
      await apply(`/apis/${apiVersion}/clusterroles/${role}`, { apiVersion, kind: "ClusterRole", metadata: { name: role }, rules });
      const roleRef = { apiGroup, kind: "ClusterRole", name: role };
      await apply(`/apis/${apiVersion}/clusterrolebindings/${role}`, {
        apiVersion,
        kind: "ClusterRoleBinding",
        metadata: { name: role },
        roleRef,
        subjects: [{ apiGroup, kind: "User", name: user }],
      });
    },
    async requestReconcile({ apiVersion, resource, namespace, name }) {
      const requestedAt = new Date().toISOString();
      const annotations = { "reconcile.fluxcd.io/requestedAt": requestedAt };
      await patch(
        `/apis/${apiVersion}/namespaces/${namespace}/${resource}/${name}?fieldManager=${fieldManager}`,
        "application/merge-patch+json",
        { metadata: { annotations } },
      );
      return requestedAt;
    },
    async lookNodeReady(name) {
      try {
        const node = await api.send({ method: "GET", path: `/api/v1/nodes/${name}` });
        const ready = NodeStatus.parse(node ?? {}).status.conditions.find(({ type }) => type === "Ready");
        if (ready?.status === "True") return { done: true, value: undefined };
        return { done: false, because: ready === undefined ? "its kubelet has not registered it." : `${ready.message}.` };
      } catch (error) {
        return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
      }
    },
    async lookPodsReady(namespace, labelSelector = "") {
      try {
        const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(labelSelector)}`;
        const { items } = Pods.parse((await api.send({ method: "GET", path })) ?? { items: [] });
        if (items.length === 0) return { done: false, because: `there is no pod in ${namespace} yet.` };
        const waiting = items.filter(
          ({ status }) =>
            status.phase !== "Succeeded" && !status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True"),
        );
        if (waiting.length === 0) return { done: true, value: undefined };
        const told = waiting.map(
          ({ metadata, status }) =>
            `${metadata.name} is ${status.phase}${
              status.conditions
                .map(({ message }) => message)
                .find((message) => message !== "")
                ?.replace(/^/, ": ") ?? ""
            }`,
        );
        return { done: false, because: `${told.join("; ")}.` };
      } catch (error) {
        return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
      }
    },
    async identity() {
      const namespace = await api.send({ method: "GET", path: "/api/v1/namespaces/kube-system" });
      return z.object({ metadata: z.object({ uid: z.string() }) }).parse(namespace).metadata.uid;
    },
    async applyServiceAccount(namespace, name) {
      await apply(`/api/v1/namespaces/${namespace}`, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      await apply(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}`, {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name },
      });
    },
    async issueToken(namespace, name, seconds) {
      const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: seconds } };
      const answer = await api.send({ method: "POST", path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`, body });
      const { token, expirationTimestamp } = TokenAnswer.parse(answer).status;
      return { token, endsAt: expirationTimestamp };
    },
    async lookReady() {
      try {
        // A namespace that the API server makes itself, after its start-up hooks.
        const namespace = await api.send({ method: "GET", path: "/api/v1/namespaces/default" });
        return namespace === undefined ? { done: false, because: "it has no default namespace yet." } : { done: true, value: undefined };
      } catch (error) {
        return { done: false, because: `${messageOf(error).split("\n")[0]}.` };
      }
    },
  };
}
