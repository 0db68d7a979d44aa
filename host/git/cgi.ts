import type { Readable } from "node:stream";

export interface Amendment {
  /** Asked for every piece. */
  readonly isDropped: () => boolean;
  /** Called when the output has ended; what it gives comes after it. */
  readonly last: () => Promise<Uint8Array | undefined>;
}

const asItIs: Amendment = { isDropped: () => false, last: async () => undefined };

/**
 * The answer of a CGI program (RFC 3875, section 6) as its output comes in: resolves with the end of the headers and
 * streams the rest, no faster than it is read. A program that ends without headers is a 502. When nobody reads on, the
 * rest is thrown away and the program goes on: whoever started it decides over its end.
 *
 * @param amend what is done with the program's output after its headers
 */
export async function cgiResponse(output: Readable, amend: Amendment = asItIs): Promise<Response> {
  const chunks: AsyncIterator<Buffer> = output.iterator({ destroyOnReturn: false });
  let received = Buffer.alloc(0);
  let head: { readonly text: string; readonly length: number } | undefined;
  while (head === undefined) {
    const { done, value } = await chunks.next();
    if (done === true || received.length > longestHead) {
      output.resume();
      return new Response("The program ended without an answer.\n", { status: 502 });
    }
    received = Buffer.concat([received, value]);
    head = headOf(received);
  }

  const body = ReadableStream.from(rest(received.subarray(head.length), chunks, output, amend));
  try {
    const headers = new Headers();
    for (const line of head.text.split(/\r?\n/)) {
      const colon = line.indexOf(":");
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    const status = Number.parseInt(headers.get("status") ?? "200", 10);
    headers.delete("status");
    return new Response(body, { status, headers });
  } catch {
    // A line that is no header, or a status that no answer with a body has.
    await body.cancel();
    output.resume();
    return new Response("The program's answer has no headers that can be passed on.\n", { status: 502 });
  }
}

/** More than any program has to say before its answer. */
const longestHead = 64 * 1024;

/** The header lines before the first empty line, and how many bytes they take with it. */
function headOf(received: Buffer): { text: string; length: number } | undefined {
  const match = /^(.*?)\r?\n\r?\n/s.exec(received.toString("latin1"));
  return match === null ? undefined : { text: match[1] ?? "", length: match[0].length };
}

async function* rest(
  first: Buffer,
  chunks: AsyncIterator<Buffer>,
  output: Readable,
  { isDropped, last }: Amendment,
): AsyncGenerator<Uint8Array> {
  try {
    if (first.length > 0) yield first;
    for (;;) {
      const { done, value } = await chunks.next();
      if (done === true) break;
      if (!isDropped()) yield value;
    }
    const end = await last();
    if (end !== undefined && end.length > 0) yield end;
  } finally {
    // Whose iterator still looks for what can be read does not flow.
    await chunks.return?.();
    output.resume();
  }
}
