import type { RequestListener } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { gitRoutes, type GitRoutes } from "../git/smart-http.ts";
import { registryGateway } from "../registry/gateway.ts";

/** What learners beyond this machine ask for: their repositories below `/git`, their images below `/v2`, and nothing else. */
export function publicWeb({ registryPort, ...git }: GitRoutes & { readonly registryPort: number }): RequestListener {
  const repositories = getRequestListener(gitRoutes(git).fetch);
  const images = registryGateway(git.paths, registryPort);
  return (incoming, outgoing) => {
    const answered = /^\/v2(\/|$|\?)/.test(incoming.url ?? "") ? images(incoming, outgoing) : repositories(incoming, outgoing);
    Promise.resolve(answered).catch((error: unknown) => {
      console.error(error);
      outgoing.destroy();
    });
  };
}
