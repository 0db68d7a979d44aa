import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { fluxDeployments } from "../../../host/lab-host-node/deployments.ts";
import type { RawRequest } from "../raw-requests.ts";
import {
  container,
  core,
  definition,
  endpoints,
  enforced,
  inLax,
  lax,
  making,
  merging,
  mergingByKind,
  namespace,
  node,
  ownService,
  pod,
  service,
  slice,
  webhooks,
} from "./objects.ts";

/** A request that is taken as ever. */
export interface Taken {
  readonly what: string;
  readonly request: RawRequest;
}

interface Template {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly template: { readonly metadata: object; readonly spec: object } };
}

const asPod = ({ metadata, spec }: Template, where: string) => ({
  what: `the pod of ${metadata.name}`,
  request: making(`${core}/namespaces/${where}/pods`, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...spec.template.metadata, name: "attempt", namespace: where },
    spec: spec.template.spec,
  }),
});

const template = "../../../lab-templates/gitops-promotion/files/repository/flux/apps/backend/base/deployment.yaml";
const backend = parse(readFileSync(new URL(template, import.meta.url), "utf8").replace("${replicas}", "1")) as Template;

const made = (what: string, spec: object): Taken => ({ what: `a pod with ${what}`, request: making(`${inLax}/pods`, pod(spec)) });
const secured = (what: string, securityContext: object) => made(what, { containers: [container({ securityContext })] });
const itself = { httpGet: { path: "/", port: 80 } };
const serving = { ports: [{ containerPort: 80 }], env: [{ name: "X", value: "y" }] };

export const taken: readonly Taken[] = [
  asPod(backend, "develop"),
  ...fluxDeployments().map(({ deployment }) => asPod(deployment as unknown as Template, "flux-system")),
  made("every kind of volume that there is", {
    volumes: [
      { name: "a", configMap: { name: "a" } },
      { name: "b", secret: { secretName: "b" } },
      { name: "c", emptyDir: {} },
      { name: "d", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
      { name: "e", downwardAPI: { items: [{ path: "x", fieldRef: { fieldPath: "metadata.name" } }] } },
      { name: "f", projected: { sources: [{ serviceAccountToken: { path: "token" } }, { configMap: { name: "a" } }] } },
      { name: "g" },
    ],
  }),
  made("a token of its account", { automountServiceAccountToken: true }),
  made("probes and handlers of its own", {
    containers: [
      container({
        ...serving,
        livenessProbe: itself,
        readinessProbe: { tcpSocket: { port: 80 } },
        startupProbe: { grpc: { port: 80 } },
        lifecycle: { preStop: itself },
      }),
    ],
  }),
  made("a sidecar", { initContainers: [container({ name: "side", restartPolicy: "Always", readinessProbe: itself })] }),
  made("safe sysctls", { securityContext: { sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }] } }),
  made("users of its own", { hostUsers: false }),
  made("root and a writable disk", { securityContext: { runAsUser: 0 } }),
  made("host fields that say no", { hostNetwork: false, hostPID: false, hostIPC: false, runtimeClassName: null }),
  secured("allowed capabilities", { capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE", "SETUID"] } }),
  secured("the runtime's profiles", { seccompProfile: { type: "RuntimeDefault" }, appArmorProfile: { type: "RuntimeDefault" } }),
  secured("a container's type of SELinux", { seLinuxOptions: { type: "container_t", level: "s0:c1" } }),
  secured("nothing privileged", { privileged: false, procMount: "Default", allowPrivilegeEscalation: true }),
  made("the lab host's name", { nodeName: "lab-host", tolerations: [{ operator: "Exists" }] }),
  made("forty containers, thirty environment variables each", {
    containers: Array.from({ length: 40 }, (_, index) =>
      container({
        name: `app-${index}`,
        ...serving,
        env: Array.from({ length: 30 }, (_, at) => ({ name: `X${at}`, value: "y" })),
        livenessProbe: itself,
        securityContext: { capabilities: { drop: ["ALL"], add: ["CHOWN"] } },
      }),
    ),
    volumes: Array.from({ length: 40 }, (_, index) => ({ name: `v-${index}`, emptyDir: {} })),
  }),
  {
    what: "an ephemeral container",
    request: mergingByKind(`${inLax}/pods/calm/ephemeralcontainers`, { spec: { ephemeralContainers: [container({ name: "debug" })] } }),
  },
  {
    what: "another size",
    request: mergingByKind(`${inLax}/pods/calm/resize`, {
      spec: { containers: [{ name: "app", resources: { requests: { cpu: "2m" } } }] },
    }),
  },
  { what: "a label of a pod", request: merging(`${inLax}/pods/calm`, { metadata: { labels: { touched: "yes" } } }) },
  { what: "an annotation of a status", request: merging(`${inLax}/pods/calm/status`, { metadata: { annotations: { touched: "yes" } } }) },
  {
    what: "a pod's address",
    request: merging(`${inLax}/pods/calm/status`, { status: { podIP: "10.244.0.9", podIPs: [{ ip: "10.244.0.9" }] } }),
  },
  { what: "a status of a pod of before", request: merging(`${inLax}/pods/old/status`, { status: { phase: "Failed" } }) },
  {
    what: "a binding",
    request: making(`${inLax}/pods/calm/binding`, {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: "calm", namespace: lax },
      target: { apiVersion: "v1", kind: "Node", name: "calm" },
    }),
  },
  {
    what: "a Deployment whose pods would be refused",
    request: making("/apis/apps/v1/namespaces/lax/deployments", {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "attempt", namespace: lax },
      spec: {
        selector: { matchLabels: { app: "x" } },
        template: {
          metadata: { labels: { app: "x" } },
          spec: { containers: [container()], volumes: [{ name: "host", hostPath: { path: "/" } }] },
        },
      },
    }),
  },
  {
    what: "a claim, which waits",
    request: making(`${inLax}/persistentvolumeclaims`, {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "attempt", namespace: lax },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    }),
  },
  { what: "a namespace", request: making(`${core}/namespaces`, namespace("attempt")) },
  { what: "a restricted namespace", request: making(`${core}/namespaces`, namespace("attempt", { [enforced]: "restricted" })) },
  {
    what: "a namespace that warns by another level",
    request: making(`${core}/namespaces`, namespace("attempt", { "pod-security.kubernetes.io/warn": "privileged" })),
  },
  {
    what: "a webhook that is a Service",
    request: making("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", webhooks("Validating", ownService)),
  },
  {
    what: "a conversion by a Service",
    request: making("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition(ownService)),
  },
  { what: "a Service", request: making(`${inLax}/services`, service({ ports: [{ port: 80 }] })) },
  { what: "a Service without an address", request: making(`${inLax}/services`, service({ clusterIP: "None", ports: [{ port: 80 }] })) },
  { what: "an EndpointSlice of a pod", request: making("/apis/discovery.k8s.io/v1/namespaces/lax/endpointslices", slice("10.244.0.8")) },
  {
    what: "an EndpointSlice of nobody",
    request: making("/apis/discovery.k8s.io/v1/namespaces/lax/endpointslices", { ...slice(""), endpoints: null }),
  },
  { what: "Endpoints of a pod", request: making(`${inLax}/endpoints`, endpoints({ addresses: [{ ip: "10.244.0.8" }] })) },
  { what: "a node at its address", request: making(`${core}/nodes`, node("attempt", "10.245.0.1")) },
  {
    what: "a node's status as a kubelet tells it",
    request: merging(`${core}/nodes/calm/status`, {
      status: {
        addresses: [
          { type: "InternalIP", address: "10.245.0.1" },
          { type: "Hostname", address: "node" },
        ],
      },
    }),
  },
];
