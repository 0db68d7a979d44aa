import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from "node:http";
import { log } from "../log.ts";

/*
 * What every server that outsiders reach has in common: no connection costs it more than a little for long, and no request
 * that could mean one thing to it and another to what stands behind it is taken.
 */

/** Options of node:http and node:https for such a server. */
export const outsideOptions = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 15_000,
  /** A whole push or layer over a slow line, and the build that a push waits for. */
  requestTimeout: 30 * 60_000,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 15_000,
} as const satisfies ServerOptions;

/** A body that has not grown for this long ends its connection. */
const stalledMs = 60_000;

/** The most connections at once of one such server. */
export const connections = { cohort: 2048, learner: 128, peer: 256 } as const;

/** Ends a server's connections beyond so many. */
export function capped<S extends Server>(server: S, most: number): S {
  server.maxConnections = most;
  server.maxRequestsPerSocket = 10_000;
  return server;
}

/** A request target in origin-form (RFC 9112, section 3.2.1) whose every part means what it says: no dots, no backslash, no empty part. */
const plainTarget = /^(?:\/(?!\.{1,2}(?:\/|$|\?))(?:[\w.~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+(?:\?[!-~]*)?$/;
/** A slash, a backslash, a dot or an end that only shows after decoding. */
const veiled = /%(?:2f|5c|2e|00)/i;

/** Whether the target's path can be read in one way only. */
export function isPlain(target: string): boolean {
  const [path = ""] = target.split("?", 1);
  return target.length <= 8192 && !path.includes("//") && plainTarget.test(target) && !veiled.test(path);
}

/** Takes plain requests alone, ends those whose body stalls, and survives what the listener throws. */
export function outside(
  listener: (incoming: IncomingMessage, outgoing: ServerResponse) => unknown,
  stalled: number = stalledMs,
): RequestListener {
  return (incoming, outgoing) => {
    outgoing.on("error", () => outgoing.destroy());
    if (!isPlain(incoming.url ?? "")) {
      outgoing.writeHead(404, { "content-type": "text/plain", connection: "close" }).end("There is nothing here.\n");
      return;
    }
    endWhenStalled(incoming, stalled);
    Promise.resolve()
      .then(() => listener(incoming, outgoing))
      .catch((error: unknown) => {
        log("error", "a request was not answered", { error });
        if (outgoing.headersSent) outgoing.destroy();
        else outgoing.writeHead(500, { "content-type": "text/plain", connection: "close" }).end("The lab could not answer this.\n");
      });
  };
}

function endWhenStalled(incoming: IncomingMessage, stalled: number): void {
  const { socket } = incoming;
  let read = socket.bytesRead;
  const look = setInterval(() => {
    if (incoming.complete || socket.destroyed) return clearInterval(look);
    // What waits for us is not the client's fault.
    if (socket.bytesRead === read && !socket.isPaused()) socket.destroy();
    read = socket.bytesRead;
  }, stalled).unref();
  incoming.once("close", () => clearInterval(look));
}
