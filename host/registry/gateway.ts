import type { IncomingMessage, ServerResponse } from "node:http";
import type { CohortPaths } from "../../shared/paths.ts";
import { authenticate, credentialOf, learnerOf } from "../access.ts";
import { askedOf } from "./asked.ts";
import { forward } from "./forward.ts";
import { notHere, refuse } from "./refusal.ts";
import { grantedAccess, mintToken } from "./tokens.ts";

/**
 * The registry for clients beyond this machine: takes their user name and password itself and passes the request on to
 * the registry's loopback port with a token for just that. Not the registry's own tokens, because clients built on go-containerregistry
 * refuse a token service at a private address (validateRealmURL), and because a password that was taken back ends here at once.
 */
export function registryGateway(
  paths: CohortPaths,
  registryPort: number,
): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    const asked = askedOf(incoming.url ?? "");
    if (asked === undefined) return refuse(outgoing, notHere);
    const credential = credentialOf(new Request("http://registry", { headers: { authorization: incoming.headers.authorization ?? "" } }));
    const learner = learnerOf(credential?.username ?? "");
    const permission = learner === undefined ? undefined : await authenticate(paths.learner(learner).access, "registry", credential);
    if (credential === undefined || learner === undefined || permission === undefined) {
      const message = "The registry asks for a learner's user name and password.";
      return refuse(outgoing, { status: 401, code: "UNAUTHORIZED", message });
    }
    const access = grantedAccess(
      [asked.name, asked.from].flatMap((name) => (name === undefined ? [] : [`repository:${name}:pull,push,delete`])),
      learner,
      permission,
    );
    const token = await mintToken(paths, credential.username, access);
    await forward(incoming, outgoing, {
      upstream: { port: registryPort },
      headers: { authorization: `Bearer ${token}`, "x-forwarded-proto": "https" },
      meter: () => undefined,
      instead: (status) =>
        status === 401 ? { status: 403, code: "DENIED", message: `User ${credential.username} may not do that here.` } : undefined,
    });
  };
}
