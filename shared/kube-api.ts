import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request, type AgentOptions } from "node:https";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import { LabError, messageOf } from "./errors.ts";
import { execLogin } from "./exec-credential.ts";
import { isObject, type Json, type Properties } from "./json.ts";

/** Nobody answers at the cluster's address, or somebody else does. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** The API server refused; the message is its own. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** The cause in one word, e.g. `Conflict`. */
  readonly reason: string;

  constructor(status: number, body: Json) {
    const { message, reason } = isObject(body) ? body : {};
    super(typeof message === "string" ? message : `the API server answered with HTTP status ${status}`);
    this.status = status;
    this.reason = typeof reason === "string" ? reason : "";
  }
}

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** With its query. */
  readonly path: string;
  readonly body?: Properties | readonly Properties[];
  readonly contentType?: string;
}

export interface KubeApi {
  readonly server: string;
  /** The namespace of the kubeconfig's context, else `default`. */
  readonly namespace: string;
  /** The JSON of a successful answer; undefined for 404. Throws ApiError or UnreachableError. */
  send(request: ApiRequest): Promise<Properties | undefined>;
  /**
   * The events of a watch (a path whose query says `watch=true`) as they come, until the server ends it. Throws ApiError
   * where it refuses, also later on, and UnreachableError where the connection breaks or `signal` fires.
   */
  watch(path: string, signal: AbortSignal): AsyncIterable<WatchEvent>;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: Properties;
}

/**
 * The API of the cluster that a kubeconfig (YAML text or path) names. Node's own https and not client-node, whose
 * generated models cost every plugin process 60 MB; so of the ways to log in there are certificates, tokens,
 * passwords and credential programs (`exec`). Throws LabError `kubeconfig-invalid`, and on sending as execLogin does.
 */
export function connect(kubeconfig: string, contextName?: string, answerTimeoutMs = 60_000): KubeApi {
  const { server, namespace, tls, authorization, exec } = readKubeconfig(kubeconfig, contextName);
  let access: Promise<Access> | undefined;

  /** A login by a program is kept for as long as it lasts, less the time of a request. */
  async function currentAccess(): Promise<Access> {
    const kept = await (access ??= logIn());
    if (Date.now() < kept.endsAt - answerTimeoutMs) return kept;
    return (access = logIn());
  }

  async function logIn(): Promise<Access> {
    if (exec === undefined) return { agent: new Agent({ keepAlive: true, ...tls }), authorization, endsAt: Infinity };
    const { token, certificate, key, endsAt } = await execLogin(exec);
    const agent = new Agent({ keepAlive: true, ...tls, ...(certificate && { cert: certificate }), ...(key && { key }) });
    return { agent, authorization: token === undefined ? {} : { authorization: `Bearer ${token}` }, endsAt };
  }

  async function exchange(sent: ApiRequest, isRetry = false): Promise<{ status: number; content: string }> {
    const { method, path, body, contentType = "application/json" } = sent;
    const { agent, authorization } = await currentAccess();
    const payload = Buffer.from(body ? JSON.stringify(body) : "");
    const headers = { accept: "application/json", "content-type": contentType, "content-length": payload.length, ...authorization };
    const signal = AbortSignal.timeout(answerTimeoutMs);
    const outgoing = request(new URL(path, server), { agent, method, headers, signal });
    // A connection reset in the middle of an answer is told here too, not only to the answer's reader.
    outgoing.on("error", () => undefined);
    outgoing.end(payload);
    try {
      const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
      return { status: incoming.statusCode ?? 0, content: await text(incoming) };
    } catch (error) {
      if (signal.aborted && outgoing.writableFinished) throw tooSlow(server, sent, answerTimeoutMs);
      // The server closed an idle connection while the request was on its way: that says nothing of the server.
      if (!isRetry && outgoing.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET") return exchange(sent, true);
      throw new UnreachableError(messageOf(error), { cause: error });
    }
  }

  async function* watch(path: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const { agent, authorization } = await currentAccess();
    const outgoing = request(new URL(path, server), { agent, headers: { accept: "application/json", ...authorization }, signal });
    outgoing.on("error", () => undefined);
    outgoing.end();
    try {
      const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
      if (incoming.statusCode !== 200) throw new ApiError(incoming.statusCode ?? 0, parseJson(await text(incoming)));
      let rest = "";
      for await (const chunk of incoming.setEncoding("utf8")) {
        const lines = `${rest}${chunk}`.split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const event = JSON.parse(line) as WatchEvent;
          if (event.type === "ERROR") throw new ApiError(Number(event.object["code"]), event.object);
          yield event;
        }
      }
    } catch (error) {
      if (error instanceof ApiError) throw error;
      throw new UnreachableError(messageOf(error), { cause: error });
    }
  }

  return {
    server,
    namespace,
    watch,
    async send(apiRequest) {
      let answer = await exchange(apiRequest);
      if (answer.status === 401 && exec !== undefined) {
        // A credential may be withdrawn before its time.
        access = undefined;
        answer = await exchange(apiRequest);
      }
      if (answer.status === 404) return undefined;
      const body = parseJson(answer.content);
      if (answer.status >= 400 || !isObject(body)) throw new ApiError(answer.status, body);
      return body;
    },
  };
}

/** Who took the request is there, so this is no UnreachableError. */
function tooSlow(server: string, { method, path }: ApiRequest, timeoutMs: number): LabError {
  const what = `${method} ${path.split("?")[0]}`;
  return new LabError(
    "api-timeout",
    `The API server ${server} took longer than ${timeoutMs / 1000} s for ${what}. Repeat the command when it is less busy.`,
  );
}

/** A proxy may answer in another language than JSON. */
function parseJson(content: string): Json {
  try {
    return JSON.parse(content) as Json;
  } catch {
    return null;
  }
}

interface Connection {
  readonly server: string;
  readonly namespace: string;
  readonly tls: AgentOptions;
  readonly authorization: { readonly authorization?: string };
  /** The program that logs in, where one does. */
  readonly exec: Properties | undefined;
}

interface Access {
  readonly agent: Agent;
  readonly authorization: { readonly authorization?: string };
  readonly endsAt: number;
}

/** The cluster's part of a kubeconfig and the user's, resolved. */
function readKubeconfig(kubeconfig: string, contextName?: string): Connection {
  const { context, cluster, user } = activeContext(kubeconfig, contextName);
  const server = cluster["server"];
  if (typeof server !== "string" || !server.startsWith("https://")) {
    throw invalid("its cluster has no `server` that starts with https://");
  }
  if (user["auth-provider"]) throw invalid("its user logs in by `auth-provider`, which Kubernetes has given up for `exec`");
  const [ca, cert, key] = [bytes(cluster, "certificate-authority"), bytes(user, "client-certificate"), bytes(user, "client-key")];
  const { token, tokenFile, username, password } = user;
  const bearer = typeof tokenFile === "string" ? readFileSync(tokenFile, "utf8").trim() : token;
  const basic = typeof username === "string" && Buffer.from(`${username}:${String(password)}`).toString("base64");
  const serverName = cluster["tls-server-name"];
  return {
    server,
    namespace: typeof context["namespace"] === "string" ? context["namespace"] : "default",
    tls: {
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(typeof serverName === "string" && { servername: serverName }),
      rejectUnauthorized: cluster["insecure-skip-tls-verify"] !== true,
    },
    authorization: typeof bearer === "string" ? { authorization: `Bearer ${bearer}` } : basic ? { authorization: `Basic ${basic}` } : {},
    exec: isObject(user["exec"] ?? null) ? (user["exec"] as Properties) : undefined,
  };
}

/** The context in use with its cluster and user. Throws LabError `kubeconfig-invalid`. */
export function activeContext(kubeconfig: string, contextName?: string): { context: Properties; cluster: Properties; user: Properties } {
  const content: unknown = parse(/^\s*[^\s{]+$/.test(kubeconfig) ? readFileSync(kubeconfig.trim(), "utf8") : kubeconfig);
  const config = isObject(content as Json) ? (content as Properties) : {};
  const context = named(config, "context", contextName ?? config["current-context"]);
  return { context, cluster: named(config, "cluster", context["cluster"]), user: named(config, "user", context["user"]) };
}

function named(config: Properties, what: "context" | "cluster" | "user", name: Json | undefined): Properties {
  const list = config[`${what}s`];
  const entry = Array.isArray(list) ? list.find((candidate) => isObject(candidate) && candidate["name"] === name) : undefined;
  if (isObject(entry) && isObject(entry[what])) return entry[what];
  throw invalid(`it has no ${what} ${JSON.stringify(name ?? null)}`);
}

/** A kubeconfig gives a file's content in base64 or the file. */
function bytes(from: Properties, field: string): Buffer | undefined {
  const [data, path] = [from[`${field}-data`], from[field]];
  if (typeof data === "string") return Buffer.from(data, "base64");
  return typeof path === "string" ? readFileSync(path) : undefined;
}

function invalid(because: string): LabError {
  return new LabError("kubeconfig-invalid", `The provider's kubeconfig can't be used: ${because}. Check it with \`kubectl config view\`.`);
}
