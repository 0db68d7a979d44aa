import { createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Meter } from "./meter.ts";

/** What a set-up's downloads have in common. */
export interface Fetching {
  /** Folder of what has come and is not installed yet: fetch/store.ts. */
  readonly store: string;
  /** Digests of what was asked for, to clear the store of it in the end. */
  readonly used: Set<string>;
  readonly meter: Meter;
  /** Ends the downloads; what has come of them stays. */
  readonly signal: AbortSignal;
}

export interface Source {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** More than that is not taken. */
  readonly maxBytes: number;
}

/** After that long without a byte a connection counts as broken. */
const idleMs = 60_000;
/** How often in a row a connection may break without a single byte. */
const fruitlessTries = 3;

/** Hosts that did not answer; asking each again for every tool would cost a connect timeout apiece. */
const unreachable = new Set<string>();

/**
 * Appends to a file what it lacks of what the URL serves, by a range request where something is there already; a connection that
 * breaks is taken up again. False when it can't be had from here.
 */
export async function fetchInto(file: string, source: Source, { meter, signal }: Fetching, label: string): Promise<boolean> {
  const { host } = new URL(source.url);
  for (let fruitless = 0; fruitless < fruitlessTries; ) {
    if (unreachable.has(host)) return false;
    const before = await sizeOf(file);
    const outcome = await once(file, before, source, meter, signal, label);
    if (outcome === "whole") return true;
    if (outcome === "refused") return false;
    // Once more for one lost packet, and not for a host that isn't there.
    if (outcome === "silent" && fruitless > 0) break;
    fruitless = (await sizeOf(file)) > before ? 0 : fruitless + 1;
  }
  unreachable.add(host);
  return false;
}

export async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

/** `silent`: the host gave no answer at all. `cut`: its answer broke off. */
type Outcome = "whole" | "refused" | "silent" | "cut";

async function once(file: string, here: number, source: Source, meter: Meter, signal: AbortSignal, label: string): Promise<Outcome> {
  const idle = idleSignal(signal);
  let answered = false;
  try {
    const headers = { ...source.headers, "accept-encoding": "identity", ...(here > 0 && { range: `bytes=${here}-` }) };
    const response = await fetch(source.url, { headers, signal: idle.signal });
    answered = true;
    const goesOn = response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${here}-`);
    // Nothing comes after what is here: it is whole, or it is something else, as its digest will tell.
    if (response.status === 416) return await dropped(response, "whole");
    if (!response.ok || !response.body || (response.status === 206 && !goesOn)) return await dropped(response, "refused");
    const begin = goesOn ? here : 0;
    const length = Number(response.headers.get("content-length") ?? Number.NaN);
    if (begin + length > source.maxBytes) return await dropped(response, "refused");
    if (!Number.isNaN(length)) meter.expect(label, begin + length);
    let bytes = begin;
    meter.have(label, bytes);
    const counting = async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        idle.touch();
        bytes += chunk.length;
        if (bytes > source.maxBytes) throw new TypeError("more than expected");
        meter.have(label, bytes);
        yield chunk;
      }
    };
    await pipeline(response.body, counting, createWriteStream(file, { flags: goesOn ? "a" : "w" }));
    return "whole";
  } catch (error) {
    signal.throwIfAborted();
    // A full disk and the like are no matter of the network.
    if (isSystemError(error)) throw error;
    return answered ? "cut" : "silent";
  } finally {
    idle.end();
  }
}

async function dropped(response: Response, outcome: Outcome): Promise<Outcome> {
  await response.body?.cancel();
  return outcome;
}

/** Aborts with the outer signal, and when nobody has touched it for a minute. */
function idleSignal(outer: AbortSignal) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new TypeError("no byte for a minute")), idleMs);
  return {
    signal: AbortSignal.any([outer, controller.signal]),
    touch: () => void timer.refresh(),
    end: () => clearTimeout(timer),
  };
}

/** Errors of the file system carry the call that failed; those of fetch are TypeErrors with a cause. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && "path" in error;
}

/** A small answer, whatever its status; undefined where the host gives none, or more than `maxBytes`. */
export async function fetchSmall(
  source: Source,
  { signal }: Pick<Fetching, "signal">,
): Promise<{ readonly response: Response; readonly body: Buffer } | undefined> {
  const { host } = new URL(source.url);
  if (unreachable.has(host)) return undefined;
  const idle = idleSignal(signal);
  let answered = false;
  try {
    const response = await fetch(source.url, { headers: { ...source.headers }, signal: idle.signal });
    answered = true;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > source.maxBytes) return undefined;
      chunks.push(chunk);
    }
    return { response, body: Buffer.concat(chunks) };
  } catch {
    signal.throwIfAborted();
    if (!answered) unreachable.add(host);
    return undefined;
  } finally {
    idle.end();
  }
}

/** How long a file is; undefined where the host does not say. */
export async function lengthOf(url: string, { signal }: Pick<Fetching, "signal">): Promise<number | undefined> {
  const { host } = new URL(url);
  if (unreachable.has(host)) return undefined;
  const idle = idleSignal(signal);
  try {
    const response = await fetch(url, { method: "HEAD", headers: { "accept-encoding": "identity" }, signal: idle.signal });
    const length = response.headers.get("content-length");
    return response.ok && length !== null ? Number(length) : undefined;
  } catch {
    return undefined;
  } finally {
    idle.end();
  }
}
