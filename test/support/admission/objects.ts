import type { RawRequest } from "../raw-requests.ts";

/** A namespace whose label asks nothing of pods; made before there were policies. */
export const lax = "lax";

export const core = "/api/v1";
export const inLax = `${core}/namespaces/${lax}`;

/** A request that makes this object. */
export const making = (path: string, object: object): RawRequest => ({ method: "POST", path, body: object });

const patching = (type: string) => (path: string, body: object) => ({ method: "PATCH" as const, path, body, type: `application/${type}` });
export const merging = patching("merge-patch+json");
export const mergingByKind = patching("strategic-merge-patch+json");
export const editing = patching("json-patch+json");
export const applying = (path: string, body: object) => patching("apply-patch+yaml")(`${path}?fieldManager=attempt&force=true`, body);

export const container = (more: object = {}) => ({ name: "app", image: "lab.invalid/app:1", ...more });

export function pod(spec: object = {}, name = "attempt", metadata: object = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: lax, ...metadata },
    spec: { automountServiceAccountToken: false, containers: [container()], ...spec },
  };
}

export const namespace = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels },
});

export const enforced = "pod-security.kubernetes.io/enforce";
export const enforcedVersion = "pod-security.kubernetes.io/enforce-version";

export const volume = (source: object, name = "attempt") => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name },
  spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], claimRef: { namespace: lax, name: "claim" }, ...source },
});

export const webhooks = (kind: "Validating" | "Mutating", clientConfig: object, name = "attempt") => ({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: `${kind}WebhookConfiguration`,
  metadata: { name },
  webhooks: [
    {
      name: "attempt.example.org",
      clientConfig,
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      rules: [{ apiGroups: ["none.example.org"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["things"] }],
    },
  ],
});
export const ownService = { service: { namespace: lax, name: "calm" } };

export const definition = (clientConfig: object, plural = "attempts") => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.example.org` },
  spec: {
    group: "example.org",
    scope: "Namespaced",
    names: { plural, kind: plural },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    conversion: { strategy: "Webhook", webhook: { clientConfig, conversionReviewVersions: ["v1"] } },
  },
});

export const service = (spec: object, name = "attempt") => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: lax },
  spec,
});

export const slice = (address: string, { name = "attempt", addressType = "IPv4" } = {}) => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name, namespace: lax, labels: { "kubernetes.io/service-name": "calm" } },
  addressType,
  endpoints: [{ addresses: [address] }],
  ports: [{ name: "", port: 80 }],
});

export const endpoints = (subset: object) => ({
  apiVersion: "v1",
  kind: "Endpoints",
  metadata: { name: "attempt", namespace: lax },
  subsets: [{ ports: [{ port: 80 }], ...subset }],
});

export const node = (name: string, address?: string) => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  ...(address !== undefined && { status: { addresses: [{ type: "InternalIP", address }] } }),
});

export const apiServices = "/apis/apiregistration.k8s.io/v1/apiservices";
/** What makes an APIService a Service's. */
export const delegated = { service: { namespace: lax, name: "calm" }, insecureSkipTLSVerify: true };
export const apiService = (name: string, group: string) => ({
  apiVersion: "apiregistration.k8s.io/v1",
  kind: "APIService",
  metadata: { name },
  spec: { ...delegated, group, version: "v1", groupPriorityMinimum: 1000, versionPriority: 15 },
});

const serviceAccount = (where: string) => ({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace: where } });

/** What there is before the first policy: a lab from earlier on, in which somebody has tried something. */
export function before(users: readonly string[]): readonly RawRequest[] {
  return [
    making(`${core}/namespaces`, namespace(lax, { [enforced]: "privileged" })),
    making(`${core}/namespaces`, namespace("leaving", { [enforced]: "privileged" })),
    making(`${core}/namespaces`, namespace("calm")),
    making(`${core}/namespaces`, namespace("develop", { [enforced]: "restricted" })),
    making(`${core}/namespaces`, namespace("flux-system")),
    ...[lax, "develop", "flux-system"].map((where) => making(`${core}/namespaces/${where}/serviceaccounts`, serviceAccount(where))),
    ...users.map((name) =>
      making("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name }],
      }),
    ),
    making("/apis/node.k8s.io/v1/runtimeclasses", {
      apiVersion: "node.k8s.io/v1",
      kind: "RuntimeClass",
      metadata: { name: "other" },
      handler: "other",
    }),
    making(`${inLax}/pods`, pod({ containers: [container({ resources: { requests: { cpu: "1m" } } })] }, "calm")),
    making(
      `${inLax}/pods`,
      pod(
        { containers: [container({ resources: { requests: { cpu: "1m" } } })], volumes: [{ name: "host", hostPath: { path: "/" } }] },
        "old",
      ),
    ),
    making(`${core}/persistentvolumes`, volume({ hostPath: { path: "/" } }, "old")),
    making(`${core}/persistentvolumes`, {
      ...volume({ hostPath: { path: "/" } }, "leaving"),
      metadata: { name: "leaving", finalizers: ["example.org/kept"] },
    }),
    making("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", webhooks("Validating", ownService, "calm")),
    making("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(ownService, "calms")),
    making(`${inLax}/services`, service({ ports: [{ port: 80 }] }, "calm")),
    making("/apis/discovery.k8s.io/v1/namespaces/lax/endpointslices", slice("10.244.0.7", { name: "calm" })),
    making(`${core}/nodes`, node("calm")),
    making(apiServices, apiService("v1.before.example.org", "before.example.org")),
    ...hostileMutation,
  ];
}

/** A policy of the learner's own that changes pods after their author sent them. */
const admissionPath = "/apis/admissionregistration.k8s.io/v1";
const hostileMutation = [
  making(`${admissionPath}/mutatingadmissionpolicies`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingAdmissionPolicy",
    metadata: { name: "hostile" },
    spec: {
      reinvocationPolicy: "IfNeeded",
      failurePolicy: "Fail",
      matchConstraints: {
        resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
        objectSelector: { matchLabels: { mutated: "yes" } },
      },
      mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression: "Object{spec: Object.spec{hostPID: true}}" } }],
    },
  }),
  making(`${admissionPath}/mutatingadmissionpolicybindings`, {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingAdmissionPolicyBinding",
    metadata: { name: "hostile" },
    spec: { policyName: "hostile" },
  }),
];
