import type { Attempt } from "./attempt.ts";
import {
  apiService,
  apiServices,
  applying,
  core,
  definition,
  delegated,
  editing,
  endpoints,
  enforced,
  enforcedVersion,
  inLax,
  making,
  merging,
  mergingByKind,
  namespace,
  node,
  service,
  slice,
  volume,
  webhooks,
} from "./objects.ts";

const calm = `${core}/namespaces/calm`;
const level = { [enforced]: "privileged" };
const version = { [enforcedVersion]: "v1.0" };
const labelled = (labels: object) => ({ metadata: { labels } });
const finalizing = (labels: Readonly<Record<string, string>>) => ({
  method: "PUT" as const,
  path: `${calm}/finalize`,
  body: { ...namespace("calm", labels), spec: { finalizers: ["kubernetes"] } },
});

const ofNamespace = (what: string, request: Attempt["request"], word = "baseline or restricted"): Attempt => ({
  what: `a namespace with ${what}`,
  policy: "namespaces",
  word,
  request,
});

const ofVolume = (what: string, request: Attempt["request"]): Attempt => ({
  what: `a PersistentVolume ${what}`,
  policy: "persistent-volumes",
  word: "no PersistentVolumes",
  request,
});

const registration = "/apis/admissionregistration.k8s.io/v1";
const url = { url: "https://127.0.0.1:6443/" };
const ofWebhook = (what: string, request: Attempt["request"]): Attempt => ({
  what: `${what} at a url`,
  policy: "webhooks",
  word: "not a url",
  request,
});
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const ofConversion = (what: string, request: Attempt["request"]): Attempt => ({ what, policy: "conversions", word: "not a url", request });
const external = { type: "ExternalName", externalName: "localhost" };

const ofApi = (what: string, request: Attempt["request"]): Attempt => ({
  what: `a Service in the place of ${what}`,
  policy: "api-services",
  word: "names no service",
  request,
});

const slices = "/apis/discovery.k8s.io/v1/namespaces/lax/endpointslices";
const word = "one of the pods' network";
const behind = (what: string, object: object): Attempt => ({
  what: `an EndpointSlice of ${what}`,
  policy: "endpoint-slices",
  word,
  request: making(slices, object),
});

const inPod = (ip: string) => ({ status: { podIP: ip, podIPs: [{ ip }] } });

export const refusedOthers: readonly Attempt[] = [
  ofNamespace("a lower level from the start", making(`${core}/namespaces`, namespace("attempt", level))),
  ofNamespace("a lower level by merge", merging(calm, labelled(level))),
  ofNamespace("a lower level by strategic merge", mergingByKind(calm, labelled(level))),
  ofNamespace(
    "a lower level by JSON patch",
    editing(calm, [{ op: "add", path: `/metadata/labels/${enforced.replace("/", "~1")}`, value: "privileged" }]),
  ),
  ofNamespace("a lower level, applied", applying(calm, namespace("calm", level))),
  ofNamespace("a lower level, put", { method: "PUT", path: calm, body: namespace("calm", level) }),
  ofNamespace("a lower level by its status", merging(`${calm}/status`, labelled(level))),
  ofNamespace("a lower level by its status, applied", applying(`${calm}/status`, namespace("calm", level))),
  ofNamespace("a lower level by its finalizers", finalizing(level)),
  ofNamespace("an old version from the start", making(`${core}/namespaces`, namespace("attempt", version)), "the latest version"),
  ofNamespace("an old version later", merging(calm, labelled(version)), "the latest version"),
  ofNamespace("an old version by its status", merging(`${calm}/status`, labelled(version)), "the latest version"),
  ofNamespace("an old version by its finalizers", finalizing(version), "the latest version"),
  ofNamespace("a lower level of before, touched", merging(`${core}/namespaces/lax`, labelled({ touched: "yes" }))),

  ofVolume("on a folder of the node", making(`${core}/persistentvolumes`, volume({ hostPath: { path: "/" } }))),
  ofVolume(
    "on a disk of the node",
    making(
      `${core}/persistentvolumes`,
      volume({
        local: { path: "/dev" },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "x", operator: "Exists" }] }] } },
      }),
    ),
  ),
  ofVolume("on a server", making(`${core}/persistentvolumes`, volume({ nfs: { server: "127.0.0.1", path: "/" } }))),
  ofVolume("of a driver", making(`${core}/persistentvolumes`, volume({ csi: { driver: "any", volumeHandle: "any" } }))),
  ofVolume("of before, bound to another claim", merging(`${core}/persistentvolumes/old`, { spec: { claimRef: { name: "another" } } })),
  ofVolume("of before, by its status", merging(`${core}/persistentvolumes/old/status`, { status: { phase: "Available" } })),

  ofWebhook("a validating webhook", making(`${registration}/validatingwebhookconfigurations`, webhooks("Validating", url))),
  ofWebhook("a mutating webhook", making(`${registration}/mutatingwebhookconfigurations`, webhooks("Mutating", url))),
  ofWebhook(
    "a webhook of before, put",
    applying(`${registration}/validatingwebhookconfigurations/elsewhere`, webhooks("Validating", url, "elsewhere")),
  ),
  ofWebhook(
    "a webhook of before, changed",
    editing(`${registration}/validatingwebhookconfigurations/calm`, [{ op: "replace", path: "/webhooks/0/clientConfig", value: url }]),
  ),
  ofConversion("a conversion at a url", making(definitions, definition(url))),
  ofConversion(
    "a conversion that moves to a url",
    editing(`${definitions}/calms.example.org`, [{ op: "replace", path: "/spec/conversion/webhook/clientConfig", value: url }]),
  ),
  ofApi("a group of the learner's own", making(apiServices, apiService("v1.things.example.org", "things.example.org"))),
  ofApi("the core API", merging(`${apiServices}/v1.`, { spec: delegated })),
  ofApi("the core API, applied", applying(`${apiServices}/v1.`, apiService("v1.", ""))),
  ofApi("the API of Deployments", merging(`${apiServices}/v1.apps`, { spec: delegated })),
  { what: "an ExternalName", policy: "services", word: "ExternalName", request: making(`${inLax}/services`, service(external)) },
  {
    what: "a Service that becomes an ExternalName",
    policy: "services",
    word: "ExternalName",
    request: merging(`${inLax}/services/calm`, { spec: { ...external, clusterIP: null, clusterIPs: null } }),
  },

  behind("the node", slice("10.245.0.1")),
  behind("the host's network", slice("192.168.0.1")),
  behind("a service", slice("10.96.0.1")),
  behind("a pod's and another address", {
    ...slice("10.244.0.7"),
    endpoints: [{ addresses: ["10.244.0.7"] }, { addresses: ["192.0.2.1"] }],
  }),
  behind("a name", slice("localhost.example.org", { addressType: "FQDN" })),
  behind("the other family", slice("2001:db8::1", { addressType: "IPv6" })),
  {
    what: "an EndpointSlice that moves",
    policy: "endpoint-slices",
    word,
    request: merging(`${slices}/calm`, { endpoints: [{ addresses: ["192.0.2.1"] }] }),
  },
  {
    what: "Endpoints of the node",
    policy: "endpoints",
    word,
    request: making(`${inLax}/endpoints`, endpoints({ addresses: [{ ip: "10.245.0.1" }] })),
  },
  {
    what: "Endpoints that are not ready",
    policy: "endpoints",
    word,
    request: making(`${inLax}/endpoints`, endpoints({ notReadyAddresses: [{ ip: "192.0.2.1" }] })),
  },
  {
    what: "a network of Services on loopback",
    policy: "service-networks",
    word: "the one network of Services",
    request: making("/apis/networking.k8s.io/v1/servicecidrs", {
      apiVersion: "networking.k8s.io/v1",
      kind: "ServiceCIDR",
      metadata: { name: "attempt" },
      spec: { cidrs: ["127.0.0.0/24"] },
    }),
  },
  { what: "a pod at another address", policy: "pod-addresses", word, request: merging(`${inLax}/pods/calm/status`, inPod("192.0.2.1")) },
  {
    what: "a pod at the node's address",
    policy: "pod-addresses",
    word,
    request: merging(`${inLax}/pods/calm/status`, inPod("10.245.0.1")),
  },
  {
    what: "a node at another address",
    policy: "node-addresses",
    word: "10.245.0.1",
    request: making(`${core}/nodes`, node("attempt", "192.0.2.1")),
  },
  {
    what: "a node that moves",
    policy: "node-addresses",
    word: "10.245.0.1",
    request: merging(`${core}/nodes/calm/status`, { status: { addresses: [{ type: "ExternalIP", address: "192.0.2.1" }] } }),
  },
  {
    what: "a question to a kubelet",
    policy: "node-proxy",
    word: "a kubelet is asked by",
    request: { method: "GET", path: `${core}/nodes/calm/proxy/runningpods/` },
    otherwise: /address|no such host|not found|dial/i,
  },
  {
    what: "an order to a kubelet",
    policy: "node-proxy",
    word: "a kubelet is asked by",
    request: { method: "POST", path: `${core}/nodes/calm/proxy/run/lax/calm/app?cmd=id` },
    otherwise: /address|no such host|not found|dial/i,
  },
];
