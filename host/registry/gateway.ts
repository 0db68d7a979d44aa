import { request, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import type { CohortPaths } from "../../shared/paths.ts";
import { authenticate, credentialOf, learnerOf } from "../access.ts";
import { grantedAccess, mintToken } from "./tokens.ts";

/** Headers of one connection and not of the message (RFC 9110, section 7.6.1). */
const ofConnection = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/**
 * The registry for clients beyond this machine: takes their user name and password itself and passes the request on to
 * the registry with a token for just that. Not the registry's own tokens, because clients built on go-containerregistry
 * refuse a token service at a private address (validateRealmURL), and because a password that was taken back ends here at once.
 */
export function registryGateway(
  paths: CohortPaths,
  registryPort: number,
): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    const url = new URL(incoming.url ?? "/", "http://registry");
    const credential = credentialOf(new Request(url, { headers: { authorization: incoming.headers.authorization ?? "" } }));
    const learner = learnerOf(credential?.username ?? "");
    const permission = learner === undefined ? undefined : await authenticate(paths.learner(learner).access, "registry", credential);
    if (credential === undefined || learner === undefined || permission === undefined) {
      return refuse(outgoing, 401, "UNAUTHORIZED", "The registry asks for a learner's user name and password.");
    }
    const access = grantedAccess(
      repositoriesOf(url).map((name) => `repository:${name}:pull,push,delete`),
      learner,
      permission,
    );
    const token = await mintToken(paths, credential.username, access);
    const upstream = request({
      host: "127.0.0.1",
      port: registryPort,
      method: incoming.method,
      path: incoming.url,
      headers: { ...withoutHops(incoming.headers), authorization: `Bearer ${token}`, "x-forwarded-proto": "https" },
    });
    upstream.on("response", (answer) => {
      if (answer.statusCode === 401) {
        answer.resume();
        return refuse(outgoing, 403, "DENIED", `User ${credential.username} may not do that here.`);
      }
      outgoing.writeHead(answer.statusCode ?? 502, withoutHops(answer.headers));
      pipeline(answer, outgoing, () => undefined);
    });
    pipeline(incoming, upstream, (error) => {
      if (!error || outgoing.headersSent) return;
      refuse(outgoing, 502, "UNAVAILABLE", "The registry does not answer.");
    });
  };
}

/** The repository of a request, and the one from which it wants to mount a blob (distribution-spec, "Mounting a blob from another repository"). */
function repositoriesOf(url: URL): string[] {
  const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(url.pathname)?.[1];
  const from = url.searchParams.get("from");
  return [name, from].filter((one) => one !== undefined && one !== null);
}

function withoutHops(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofConnection.includes(name)));
}

/** In the form of the distribution specification, "Error Codes". */
function refuse(outgoing: ServerResponse, status: number, code: string, message: string): void {
  const challenge = status === 401 ? { "www-authenticate": 'Basic realm="gitops-lab"' } : {};
  outgoing.writeHead(status, { "content-type": "application/json", "docker-distribution-api-version": "registry/2.0", ...challenge });
  outgoing.end(`${JSON.stringify({ errors: [{ code, message }] })}\n`);
}
