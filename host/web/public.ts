import type { RequestListener } from "node:http";
import { gitRoutes, type GitRoutes } from "../git/smart-http.ts";
import { registryGateway } from "../registry/gateway.ts";
import { answeredBy } from "./routes.ts";
import { outside } from "../doors/outside.ts";

/** What learners beyond this machine ask for: their repositories below `/git`, their images below `/v2`, and nothing else. */
export function publicWeb({ registryPort, ...git }: GitRoutes & { readonly registryPort: number }): RequestListener {
  const repositories = answeredBy(gitRoutes(git));
  const images = outside(registryGateway(git.paths, registryPort));
  return (incoming, outgoing) => (/^\/v2(\/|$|\?)/.test(incoming.url ?? "") ? images : repositories)(incoming, outgoing);
}
