import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** Fifty MiB over a slow line. */
const requestTimeoutMs = 600_000;

/** The body of a request can't be read: what its header says of it is not so, or is none that the server takes. */
export class UnreadableBody extends Error {}

/**
 * The body of a request, decompressed as it comes in and no faster than it is read. Git's own backend would decompress
 * without an end: some MiB may stand for any number of GiB. Throws UnreadableBody for a coding that is not known.
 *
 * A client that goes, or takes longer than a request may, ends it with an error.
 */
export function bodyOf({ body, headers, signal: client }: Request): AsyncIterator<Buffer> {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (!["identity", "gzip", "x-gzip"].includes(encoding)) throw new UnreadableBody();
  if (body === null) return Readable.from([])[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const signal = AbortSignal.any([client, AbortSignal.timeout(requestTimeoutMs)]);
  const plain = Readable.fromWeb(body as import("node:stream/web").ReadableStream, { signal });
  // It may end while nobody reads.
  plain.on("error", () => undefined);
  if (encoding === "identity") return buffers(plain);
  const unzipped = createGunzip();
  unzipped.on("error", () => undefined);
  plain.once("error", (error) => unzipped.destroy(error));
  unzipped.once("close", () => plain.destroy());
  return buffers(plain.pipe(unzipped));
}

async function* buffers(chunks: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk as Uint8Array);
}

/** The whole of a body that is no longer than this; undefined for a longer one. */
export async function wholeBody(body: AsyncIterator<Buffer>, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await body.next();
    if (done === true) return Buffer.concat(chunks);
    length += value.length;
    if (length > most) return undefined;
    chunks.push(value);
  }
}

/** A client reads no answer before it has sent everything: so long, and so much, is taken in and thrown away. */
const patience = { ms: 60_000, bytes: 4 * 1024 ** 3 };

/** Takes in what is left of a body. */
export async function discard(body: AsyncIterator<Buffer>): Promise<void> {
  const until = performance.now() + patience.ms;
  let length = 0;
  while (performance.now() < until && length < patience.bytes) {
    const { done, value } = await body.next();
    if (done === true) return;
    length += value.length;
  }
}
