import type { RequestListener } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { gitRoutes, type GitRoutes } from "../git/smart-http.ts";
import { registryFront, type RegistryFront } from "../registry/front.ts";
import { registryRoutes, tokenRoutes, type RegistryRoutes } from "../registry/tokens.ts";
import { outside } from "../doors/outside.ts";
import type { WayListeners } from "./ways.ts";

/** The most of a body that is read whole, in bytes. */
const largestBody = 1024 * 1024;

/** Answers requests with routes: the Host header, which none of them needs, has no say in what a target means. */
export function answeredBy(routes: Hono): RequestListener {
  const listener = getRequestListener(routes.fetch);
  return outside((incoming, outgoing) => {
    incoming.headers.host = "lab";
    return listener(incoming, outgoing);
  });
}

/** What everybody on this machine is answered on the loopback port: repositories, tokens, and the registry's own events. */
export function loopbackRoutes(options: GitRoutes & RegistryRoutes): Hono {
  return new Hono()
    .use("/registry/*", bodyLimit({ maxSize: largestBody, onError: (c) => c.text("That is too much to read at once.\n", 413) }))
    .route("/", gitRoutes(options))
    .route("/", registryRoutes(options));
}

/** What a learner's room is answered: by this learner's names alone, for this learner's users alone. */
export function wayListeners(git: GitRoutes, images: RegistryFront): WayListeners {
  return (learner) => {
    const own = answeredBy(new Hono().route("/", gitRoutes(git)).route("/", tokenRoutes(git.paths, learner)));
    const nothing = answeredBy(new Hono());
    const ownTarget = new RegExp(
      `^(?:/git/${learner}/[a-z][a-z0-9-]*\\.git/(?:info/refs|git-upload-pack|git-receive-pack)|/registry/token)(?:\\?|$)`,
    );
    return {
      // As it is written: what means the same in another writing is not asked for by any program in the room.
      http: (incoming, outgoing) => (ownTarget.test(incoming.url ?? "") ? own : nothing)(incoming, outgoing),
      registry: outside(registryFront({ ...images, only: learner })),
    };
  };
}
