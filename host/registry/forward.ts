import { once } from "node:events";
import { request, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { refuse, unavailable, type Refusal } from "./refusal.ts";
import { log } from "../log.ts";

/** Where the registry is: its own Unix socket, or a loopback port. */
export type Upstream = { readonly socketPath: string } | { readonly port: number };

/** Looks at a body that passes by: undefined lets these further bytes through. */
export type Meter = (bytes: number) => Refusal | undefined;

/** What of a client's headers means something to a registry; none of one connection, none that says who else the client might be. */
const passedOn = [
  "accept",
  "authorization",
  "content-length",
  "content-range",
  "content-type",
  "docker-content-digest",
  "host",
  "if-match",
  "if-none-match",
  "range",
  "user-agent",
  // Only says what the addresses in an answer begin with.
  "x-forwarded-proto",
];

/** The methods whose body means something to a registry. */
const withBody = new Set(["POST", "PUT", "PATCH"]);

/** Headers of one connection and not of the message (RFC 9110, section 7.6.1). */
const ofConnection = new Set(["connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"]);

export interface Forwarding {
  readonly upstream: Upstream;
  /** In place of the client's, or beside them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Without one the body is not passed on, and neither is that of a method that has none. */
  readonly meter?: Meter | undefined;
  /** What is answered in the place of the registry's own answer; undefined leaves that. */
  readonly instead?: (status: number) => Refusal | undefined;
}

/** How long a client whose body is not wanted any more may go on sending, so that it comes to read why. */
const lingerMs = 5_000;

/**
 * Passes a request on to the registry and its answer back, neither faster than the other end reads. Resolves when that is done,
 * with the refusal of the meter where that ended it. Never rejects.
 */
export async function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { upstream: where, headers, meter, instead }: Forwarding,
): Promise<{ readonly status?: number; readonly refused?: Refusal }> {
  // Any other request's body would follow it without a frame (Node gives none), and be read as a request of its own.
  const isPassed = meter !== undefined && withBody.has(incoming.method ?? "");
  // A registry that refuses ends the connection, and what is still being written to it then would take its words along.
  const asksFirst = isPassed && hasBody(incoming);
  const upstream = request({
    ...("socketPath" in where ? where : { host: "127.0.0.1", port: where.port }),
    agent: false,
    method: incoming.method,
    path: incoming.url,
    headers: { ...wanted(incoming.headers, isPassed), ...headers, ...(asksFirst && { expect: "100-continue" }) },
  });
  const gone = new AbortController();
  let trouble: NodeJS.ErrnoException | undefined;
  upstream.on("error", (error) => (trouble = error)).once("close", () => gone.abort());
  outgoing.once("close", () => outgoing.writableFinished || upstream.destroy());
  const answered = answerOf(upstream);
  const sent =
    meter === undefined || !isPassed
      ? passNothing(incoming, upstream)
      : passBody(incoming, upstream, meter, { isWanted: asksFirst ? wantsBody(upstream) : Promise.resolve(true), gone: gone.signal });
  const refused = await Promise.race([sent, answered.then(() => undefined)]);
  if (refused !== undefined) {
    upstream.destroy();
    refuse(outgoing, refused, true);
    await lingering(incoming);
    return { refused };
  }
  const answer = await answered;
  if (answer === undefined) {
    if (!outgoing.destroyed) log("error", "the registry gave no answer", { said: trouble?.message ?? "ended by us" });
    refuse(outgoing, unavailable, true);
    await lingering(incoming);
    return {};
  }
  const status = answer.statusCode ?? 502;
  // Nobody is there any more to read it.
  if (outgoing.destroyed) {
    upstream.destroy();
    return { status };
  }
  const other = instead?.(status);
  if (other !== undefined) {
    answer.resume();
    refuse(outgoing, other);
  } else {
    const isEarly = !incoming.complete;
    outgoing.writeHead(status, { ...withoutConnection(answer.headers), ...(isEarly && { connection: "close" }) });
    await new Promise<void>((resolve) => pipeline(answer, outgoing, () => resolve()));
  }
  if (!upstream.writableEnded) upstream.destroy();
  await lingering(incoming);
  return { status };
}

function answerOf(upstream: ClientRequest): Promise<IncomingMessage | undefined> {
  return new Promise((resolve) => {
    upstream.once("response", resolve);
    upstream.once("close", () => resolve(undefined));
  });
}

async function passNothing(incoming: IncomingMessage, upstream: ClientRequest): Promise<undefined> {
  incoming.resume();
  upstream.end();
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Whether the registry asks for the body (RFC 9110, section 10.1.1), or has answered or gone without it. */
function wantsBody(upstream: ClientRequest): Promise<boolean> {
  return new Promise((resolve) => {
    upstream.once("continue", () => resolve(true));
    for (const event of ["response", "close"]) upstream.once(event, () => resolve(false));
  });
}

async function passBody(
  incoming: IncomingMessage,
  upstream: ClientRequest,
  meter: Meter,
  { isWanted, gone }: { readonly isWanted: Promise<boolean>; readonly gone: AbortSignal },
): Promise<Refusal | undefined> {
  if (!(await isWanted)) return undefined;
  try {
    // Not destroyed at the end of the loop: that would end the connection before the client has read why.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const refusal = meter(chunk.length);
      if (refusal !== undefined) return refusal;
      if (gone.aborted) return undefined;
      if (!upstream.write(chunk)) await once(upstream, "drain", { signal: gone });
    }
    upstream.end();
  } catch {
    // The client has gone, or the registry has.
    upstream.destroy();
  }
  return undefined;
}

/** Reads what a client still sends, for a while, and then ends its connection. */
export async function lingering(incoming: IncomingMessage): Promise<void> {
  if (incoming.complete || incoming.destroyed) return;
  incoming.resume();
  const ended = new AbortController();
  for (const event of ["end", "close", "error"]) incoming.once(event, () => ended.abort());
  await delay(lingerMs, undefined, { signal: ended.signal }).catch(() => undefined);
  if (!incoming.complete) incoming.destroy();
}

function wanted(headers: IncomingHttpHeaders, hasBody: boolean): IncomingHttpHeaders {
  const named = new Set(hasBody ? passedOn : passedOn.filter((name) => name !== "content-length" && name !== "content-range"));
  const passed = Object.fromEntries(Object.entries(headers).filter(([name]) => named.has(name)));
  // Whatever the client called its frame: the one here is ours.
  return hasBody && headers["content-length"] === undefined ? { ...passed, "transfer-encoding": "chunked" } : passed;
}

function withoutConnection(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofConnection.has(name)));
}
