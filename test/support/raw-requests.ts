import { once } from "node:events";
import { request, Agent } from "node:https";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { parse } from "yaml";

export interface RawRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its query. */
  readonly path: string;
  readonly body?: object;
  readonly type?: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly content: string;
}

export type Asker = ((request: RawRequest) => Promise<RawAnswer>) & { close(): void };

/** Asks an API server as the kubeconfig (YAML, with certificates inside) says, and gives whatever it answers. */
export function asker(kubeconfig: string): Asker {
  const { clusters, users } = parse(kubeconfig) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  const pem = (base64?: string) => Buffer.from(base64 ?? "", "base64");
  const { cluster } = clusters[0];
  const { user } = users[0];
  const agent = new Agent({
    keepAlive: true,
    ca: pem(cluster["certificate-authority-data"]),
    cert: pem(user["client-certificate-data"]),
    key: pem(user["client-key-data"]),
  });
  const ask = async ({ method, path, body, type = "application/json" }: RawRequest): Promise<RawAnswer> => {
    const outgoing = request(new URL(path, cluster["server"]), {
      agent,
      method,
      headers: { accept: "application/json", "content-type": type },
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
    return { status: incoming.statusCode ?? 0, content: await text(incoming) };
  };
  return Object.assign(ask, { close: () => agent.destroy() });
}
