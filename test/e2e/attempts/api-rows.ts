import { Agent } from "node:https";
import { waitUntil } from "../../../shared/wait.ts";
import { reachedLoopback, wasAccepted, type Attempt } from "./attempt.ts";
import { Kube, type KubeAnswer, type KubeObject } from "./kube.ts";
import { configMap, namespace } from "./objects.ts";
import type { Scene } from "./scene.ts";

const told = ({ status, text }: KubeAnswer) => `HTTP ${status}: ${text.slice(0, 500)}`;

/** A row in which the API server itself is to come to the trap. */
function byApiServer(id: string, what: string, attempt: (scene: Scene) => Promise<string>): Attempt {
  return { id, kind: "api", as: "learner", nodes: "both", what, attempt, proof: reachedLoopback };
}

/** A row that the API server is to refuse: whatever is not 2xx. */
function refused(id: string, what: string, request: (scene: Scene) => Promise<KubeAnswer>): Attempt {
  return {
    id,
    kind: "api",
    as: "learner",
    nodes: "both",
    what,
    async attempt(scene) {
      const answer = await request(scene);
      if (answer.status < 300) scene.accepted = told(answer);
      return told(answer);
    },
    proof: wasAccepted,
  };
}

const upgrade = { connection: "Upgrade", upgrade: "SPDY/3.1" };

const ownNamespace = (scene: Scene) => namespace(scene.name, { attempt: scene.id });

/** Whatever is made in the row's namespace is asked of a webhook. */
function webhook(scene: Scene, kind: string, clientConfig: object): KubeObject {
  const hook = {
    name: `${scene.id}.example.org`,
    clientConfig,
    rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
    namespaceSelector: { matchLabels: { attempt: scene.id } },
    failurePolicy: "Fail",
    sideEffects: "None",
    timeoutSeconds: 3,
    admissionReviewVersions: ["v1"],
  };
  return { apiVersion: "admissionregistration.k8s.io/v1", kind, metadata: { name: scene.name }, webhooks: [hook] };
}

/** Makes the webhook and something that it is asked about, until it is asked: the API server learns of it a moment later. */
async function provoke(scene: Scene, hook: KubeObject, ...before: readonly KubeObject[]): Promise<string> {
  await scene.kube.apply(ownNamespace(scene), ...before, hook);
  let index = 0;
  return until(scene, "the webhook to be asked", async () => {
    const answer = await scene.kube.create({ ...configMap(scene), metadata: { name: `${scene.name}-${index++}`, namespace: scene.name } });
    // Refused by whoever was to be asked, or because nobody could be.
    return answer.status >= 400 && answer.text.includes(`${scene.id}.example.org`) ? told(answer) : { notYet: told(answer) };
  });
}

/** Repeats a request until its answer is the sign that is waited for. */
function until(scene: Scene, what: string, request: () => Promise<string | { readonly notYet: string }>): Promise<string> {
  return waitUntil(
    async () => {
      const seen = await request();
      return typeof seen === "string" ? { done: true, value: seen } : { done: false, because: seen.notYet };
    },
    { what: `${what} (${scene.id})`, timeoutSeconds: 40, intervalMs: 200, remedy: "" },
  );
}

const service = (scene: Scene, spec: object): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: scene.name, namespace: scene.name },
  spec,
});

const toLocalhost = (scene: Scene) =>
  service(scene, { type: "ExternalName", externalName: "localhost", ports: [{ name: "x", port: scene.trap.port }] });

/** A node whose kubelet is said to be the trap, and a pod on it. */
async function falseNode(scene: Scene): Promise<KubeObject> {
  const node: KubeObject = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: scene.name },
    spec: { taints: [{ key: "x", effect: "NoSchedule" }] },
  };
  await scene.kube.apply(node, ownNamespace(scene));
  const status = {
    addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    daemonEndpoints: { kubeletEndpoint: { Port: scene.trap.port } },
  };
  const patched = await scene.kube.patch(`${scene.path(node)}/status`, { status });
  if (patched.status !== 200) scene.tell(patched.text);
  const pod: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: scene.name, namespace: scene.name },
    spec: {
      nodeName: scene.name,
      containers: [{ name: "x", image: "example.org/x", securityContext: { runAsUser: 1 } }],
      automountServiceAccountToken: false,
      tolerations: [{ operator: "Exists" }],
    },
  };
  // The service account of a fresh namespace comes a moment later.
  await until(scene, "the pod of a false node to be taken", async () => {
    const answer = await scene.kube.create(pod);
    if (answer.status < 300) return told(answer);
    if (!/serviceaccount/.test(answer.text)) throw new Error(told(answer));
    return { notYet: told(answer) };
  });
  return pod;
}

export const apiRows: readonly Attempt[] = [
  byApiServer("webhook-validating", "An admission webhook is at a listener on loopback.", (scene) =>
    provoke(scene, webhook(scene, "ValidatingWebhookConfiguration", { url: `https://127.0.0.1:${scene.trap.port}/` })),
  ),
  byApiServer("webhook-mutating", "A webhook that changes objects is at a listener on loopback.", (scene) =>
    provoke(scene, webhook(scene, "MutatingWebhookConfiguration", { url: `https://localhost:${scene.trap.port}/` })),
  ),
  byApiServer("webhook-external-name", "A webhook is a Service whose external name is localhost.", (scene) =>
    provoke(
      scene,
      webhook(scene, "ValidatingWebhookConfiguration", { service: { name: scene.name, namespace: scene.name, port: scene.trap.port } }),
      toLocalhost(scene),
    ),
  ),
  byApiServer("aggregated-api", "An aggregated API is a Service whose external name is localhost.", async (scene) => {
    const group = `${scene.id}.example.org`;
    await scene.kube.apply(ownNamespace(scene), toLocalhost(scene), {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name: `v1.${group}` },
      spec: {
        group,
        version: "v1",
        insecureSkipTLSVerify: true,
        groupPriorityMinimum: 1,
        versionPriority: 1,
        service: { name: scene.name, namespace: scene.name, port: scene.trap.port },
      },
    });
    try {
      return await until(scene, "the aggregated API to be asked", async () => {
        const answer = await scene.kube.send("GET", `/apis/${group}/v1/x`);
        return answer.status === 404 ? { notYet: told(answer) } : told(answer);
      });
    } finally {
      await scene.kube.send("DELETE", `/apis/apiregistration.k8s.io/v1/apiservices/v1.${group}`);
    }
  }),
  byApiServer("conversion-webhook", "The versions of a custom resource are converted by a webhook on loopback.", async (scene) => {
    const group = `${scene.id}.example.org`;
    const version = (name: string, storage: boolean) => ({ name, served: true, storage, schema: { openAPIV3Schema: { type: "object" } } });
    await scene.kube.apply({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: `xs.${group}` },
      spec: {
        group,
        scope: "Cluster",
        names: { plural: "xs", singular: "x", kind: "X", listKind: "XList" },
        versions: [version("v1", true), version("v2", false)],
        conversion: {
          strategy: "Webhook",
          webhook: { clientConfig: { url: `https://127.0.0.1:${scene.trap.port}/` }, conversionReviewVersions: ["v1"] },
        },
      },
    });
    try {
      for (let tries = 0; tries < 300; tries++) {
        const answer = await scene.kube.send("POST", `/apis/${group}/v2/xs`, {
          apiVersion: `${group}/v2`,
          kind: "X",
          metadata: { name: "x" },
        });
        if (answer.status !== 404) return told(answer);
      }
      throw new Error("the conversion was never asked for");
    } finally {
      await scene.kube.send("DELETE", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/xs.${group}`);
    }
  }),
  byApiServer("node-proxy", "A node's address is on loopback, and the API server is to pass requests on to it.", async (scene) => {
    await falseNode(scene);
    const answers = [
      await scene.kube.send("GET", `/api/v1/nodes/${scene.name}/proxy/`),
      await scene.kube.send("GET", `/api/v1/nodes/${scene.name}:${scene.trap.port}/proxy/`),
    ];
    return answers.map(told).join("\n");
  }),
  byApiServer("pod-log", "The log of a pod is asked of a node whose kubelet is a listener on loopback.", async (scene) => {
    await falseNode(scene);
    return told(await scene.kube.send("GET", `/api/v1/namespaces/${scene.name}/pods/${scene.name}/log?container=x`));
  }),
  byApiServer("pod-exec", "A command, an attachment and a forwarded port are asked of such a node.", async (scene) => {
    await falseNode(scene);
    const pod = `/api/v1/namespaces/${scene.name}/pods/${scene.name}`;
    const paths = [`${pod}/exec?command=x&container=x&stdout=1`, `${pod}/attach?container=x&stdout=1`, `${pod}/portforward?ports=80`];
    return (await Promise.all(paths.map((path) => scene.kube.send("GET", path, undefined, "application/json", upgrade))))
      .map(told)
      .join("\n");
  }),
  byApiServer("pod-proxy", "A pod's address is said to be on loopback, and the API server is to pass requests on to it.", async (scene) => {
    const pod = await falseNode(scene);
    const status = { phase: "Running", podIP: "127.0.0.1", podIPs: [{ ip: "127.0.0.1" }] };
    scene.tell((await scene.kube.patch(`${scene.path(pod)}/status`, { status })).text.slice(0, 300));
    return told(await scene.kube.send("GET", `${scene.path(pod)}:${scene.trap.port}/proxy/`));
  }),
  byApiServer("service-proxy", "A Service whose external name is localhost is asked through the API server.", async (scene) => {
    await scene.kube.apply(ownNamespace(scene), toLocalhost(scene));
    return told(await scene.kube.send("GET", `/api/v1/namespaces/${scene.name}/services/http:${scene.name}:${scene.trap.port}/proxy/`));
  }),
  refused("endpoints-on-loopback", "A Service's endpoints are on loopback.", async (scene) => {
    await scene.kube.apply(ownNamespace(scene), service(scene, { ports: [{ port: 80 }] }));
    return scene.kube.create({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: scene.name, namespace: scene.name, labels: { "kubernetes.io/service-name": scene.name } },
      addressType: "IPv4",
      endpoints: [{ addresses: ["127.0.0.1"] }],
      ports: [{ name: "", port: scene.trap.port }],
    });
  }),
  refused("credential-at-neighbours", "The learner's own certificate is shown to another learner's API server.", async (scene) => {
    const server = new Kube(scene.ground.bob.kubeconfig, () => undefined).server;
    const stranger = new Kube(
      scene.ground.ada.kubeconfig.replaceAll(scene.kube.server, server),
      (text) => scene.told.push(text),
      elsewhere(scene),
    );
    return stranger.send("GET", "/api/v1/namespaces");
  }),
  refused("token-at-neighbours", "A token of the learner's own cluster is shown to another learner's API server.", async (scene) => {
    const own = await scene.kube.send("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {},
    });
    const { status } = JSON.parse(own.text) as { status: { token: string } };
    const bob = new Kube(scene.ground.bob.kubeconfig, () => undefined);
    return new Kube(scene.ground.bob.kubeconfig, (text) => scene.told.push(text), new Agent({ rejectUnauthorized: false })).send(
      "GET",
      `${bob.server}/api/v1/namespaces`,
      undefined,
      "application/json",
      { authorization: `Bearer ${status.token}` },
    );
  }),
];

/** The learner's own certificate, whoever the server is. */
function elsewhere({ ground }: Scene): Agent {
  const data = (name: string) => Buffer.from(new RegExp(`${name}: (\\S+)`).exec(ground.ada.kubeconfig)?.[1] ?? "", "base64");
  return new Agent({ cert: data("client-certificate-data"), key: data("client-key-data"), rejectUnauthorized: false });
}
