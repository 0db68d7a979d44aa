import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import { z } from "zod";
import { waitUntil } from "../../../shared/wait.ts";

export interface KubeAnswer {
  readonly status: number;
  readonly text: string;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string } & Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

const Kubeconfig = z.object({
  clusters: z.tuple([z.object({ cluster: z.object({ server: z.string(), "certificate-authority-data": z.string() }) })]),
  users: z.tuple([z.object({ user: z.object({ "client-certificate-data": z.string(), "client-key-data": z.string() }) })]),
});

const Reconciled = z.object({
  metadata: z.object({ generation: z.number() }),
  status: z
    .object({
      observedGeneration: z.number().optional(),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string(),
            message: z.string(),
            observedGeneration: z.number().optional(),
          }),
        )
        .default([]),
    })
    .optional(),
});

const plurals: Readonly<Record<string, string>> = {
  GitRepository: "gitrepositories",
  HelmRepository: "helmrepositories",
  OCIRepository: "ocirepositories",
  ImageRepository: "imagerepositories",
  ImagePolicy: "imagepolicies",
  Endpoints: "endpoints",
};
const clusterWide = new Set([
  "Namespace",
  "Node",
  "PersistentVolume",
  "APIService",
  "CustomResourceDefinition",
  "ValidatingWebhookConfiguration",
  "MutatingWebhookConfiguration",
  "ValidatingAdmissionPolicy",
  "ClusterRoleBinding",
  "RuntimeClass",
  "StorageClass",
]);

/** The API's path of an object, or of its kind without the name. */
export function pathOf({ apiVersion, kind, metadata }: KubeObject, withName = true): string {
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = clusterWide.has(kind) ? "" : `/namespaces/${metadata.namespace ?? "default"}`;
  return `${group}${namespace}/${plurals[kind] ?? `${kind.toLowerCase()}s`}${withName ? `/${metadata.name}` : ""}`;
}

/** The API server did not take an object. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  /** Whether a policy of the lab's refused it, and not what Kubernetes asks of every object. */
  readonly byPolicy: boolean;

  constructor({ kind, metadata }: KubeObject, { status, text }: KubeAnswer) {
    super(`${kind} ${metadata.name} was refused with HTTP ${status}: ${text}`);
    this.byPolicy = /ValidatingAdmissionPolicy|PodSecurity|In this lab/.test(text);
  }
}

/** Requests to an API server as whom a kubeconfig names. What comes back is an answer, also where it is a refusal. */
export class Kube {
  readonly server: string;
  readonly #agent: Agent;
  readonly #tell: (text: string) => void;

  /** @param tell hears what the API server says to the learner: refusals, and conditions of objects */
  constructor(kubeconfig: string, tell: (text: string) => void, agent?: Agent) {
    const { clusters, users } = Kubeconfig.parse(parse(kubeconfig));
    const { server, "certificate-authority-data": ca } = clusters[0].cluster;
    const { "client-certificate-data": cert, "client-key-data": key } = users[0].user;
    const bytes = (data: string) => Buffer.from(data, "base64");
    this.server = server;
    this.#agent = agent ?? new Agent({ keepAlive: true, ca: bytes(ca), cert: bytes(cert), key: bytes(key) });
    this.#tell = tell;
  }

  async send(
    method: string,
    path: string,
    body?: object | string,
    contentType = "application/json",
    more: Readonly<Record<string, string>> = {},
  ): Promise<KubeAnswer> {
    const payload = Buffer.from(body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body));
    const headers = { accept: "application/json", "content-type": contentType, "content-length": payload.length, ...more };
    const outgoing = request(new URL(path, this.server), {
      agent: this.#agent,
      method,
      headers,
      signal: AbortSignal.timeout(30_000),
    });
    outgoing.on("error", () => undefined);
    outgoing.end(payload);
    // What would take over the connection is an answer as well.
    const [incoming] = (await Promise.race([once(outgoing, "response"), once(outgoing, "upgrade")])) as [IncomingMessage];
    if (incoming.statusCode === 101) {
      outgoing.destroy();
      return { status: 101, text: "" };
    }
    const answer = { status: incoming.statusCode ?? 0, text: await text(incoming) };
    if (answer.status >= 400) this.#tell(answer.text);
    return answer;
  }

  /** The items of a list. An API server that has too much to do, or starts anew, is asked again. */
  async list<Item>(path: string): Promise<Item[]> {
    return waitUntil<Item[]>(
      async () => {
        const answer = await this.send("GET", path).catch((error: Error) => ({ status: 0, text: error.message }));
        if (answer.status !== 200) return { done: false, because: `${answer.status} ${answer.text}` };
        return { done: true, value: (JSON.parse(answer.text) as { items: Item[] }).items };
      },
      { what: `${this.server} to list ${path}`, timeoutSeconds: 60, intervalMs: 300, remedy: "" },
    );
  }

  create(object: KubeObject, query = ""): Promise<KubeAnswer> {
    return this.send("POST", `${pathOf(object, false)}${query}`, object);
  }

  /** Server-side apply. Throws where it is refused. */
  async apply(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) {
      const answer = await this.tryApply(object);
      if (answer.status >= 300) throw new RefusedError(object, answer);
    }
  }

  tryApply(object: KubeObject): Promise<KubeAnswer> {
    return this.send("PATCH", `${pathOf(object)}?fieldManager=attempts&force=true`, object, "application/apply-patch+yaml");
  }

  patch(path: string, body: object): Promise<KubeAnswer> {
    return this.send("PATCH", path, body, "application/merge-patch+json");
  }

  /**
   * The Ready condition of an object that a controller has looked at since it was last changed; undefined until then, and
   * where the API server does not answer.
   */
  async ready(object: KubeObject): Promise<{ readonly status: string; readonly words: string } | undefined> {
    const answer = await this.send("GET", pathOf(object)).catch(() => undefined);
    if (answer?.status !== 200) return undefined;
    const parsed = Reconciled.parse(JSON.parse(answer.text));
    const ready = parsed.status?.conditions.find(({ type }) => type === "Ready");
    if (ready === undefined || ready.status === "Unknown" || ready.observedGeneration !== parsed.metadata.generation) return undefined;
    this.#tell(ready.message);
    return { status: ready.status, words: `${ready.reason}: ${ready.message}` };
  }
}
