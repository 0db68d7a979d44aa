import { isUtf8 } from "node:buffer";

/** What a push asks for, as it stands at the beginning of the request's body (gitprotocol-pack(5), «Reference Update»). */
export interface PushCommands {
  /** Names of the refs. */
  readonly refs: readonly string[];
  readonly capabilities: readonly string[];
  /** Why the server takes no more of it; undefined where all was read. */
  readonly excess?: string;
}

/** A body as it came, though its beginning was read already. */
export interface OpenedPush extends PushCommands {
  readonly head: Buffer;
  readonly rest: AsyncIterator<Buffer>;
}

export interface CommandLimits {
  /** Refs in one push. */
  readonly refs: number;
  /** Bytes of a ref's name. */
  readonly name: number;
}

const idLength = 40;

/**
 * Reads the commands of a push, and no more of them than they may be: Git itself keeps every command in memory before
 * anybody is asked. What can't be understood is left for Git to answer.
 */
export async function openPush(body: AsyncIterator<Buffer>, limits: CommandLimits): Promise<OpenedPush> {
  const refs: string[] = [];
  let capabilities: readonly string[] = [];
  let shallow = 0;
  const chunks: Buffer[] = [];
  let received = Buffer.alloc(0);
  const opened = (excess?: string): OpenedPush => ({
    refs,
    capabilities,
    head: Buffer.concat(chunks),
    rest: body,
    ...(excess !== undefined && { excess }),
  });
  for (;;) {
    const { done, value } = await body.next();
    if (done === true) return opened();
    chunks.push(value);
    received = Buffer.concat([received, value]);
    for (;;) {
      if (received.length < 4) break;
      const length = Number.parseInt(received.subarray(0, 4).toString("latin1"), 16);
      // The end of the commands, or nothing that Git would understand either.
      if (!(length > 4)) return opened();
      if (received.length < length) break;
      const line = received.subarray(4, length);
      received = received.subarray(length);
      if (line.subarray(0, 8).toString("latin1") === "shallow ") {
        if ((shallow += 1) > limits.refs) return opened("it comes from a clone with very many shallow ends. Push from a whole clone.");
        continue;
      }
      const end = line.indexOf(0);
      const command = end < 0 ? line : line.subarray(0, end);
      if (end >= 0 && capabilities.length === 0)
        capabilities = line
          .subarray(end + 1)
          .toString("utf8")
          .trim()
          .split(" ");
      const name = command.subarray(2 * (idLength + 1));
      if (name.length > limits.name + 1)
        return opened(`the name of a ref is ${name.length} bytes long, and the lab takes ${limits.name}. Choose a shorter name.`);
      const ref = name.toString("utf8").replace(/\n$/, "");
      if (!isUtf8(name) || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(ref))
        return opened(`the name ${JSON.stringify(ref)} has characters that can't be seen or are no UTF-8. Choose another name.`);
      refs.push(ref);
      if (refs.length > limits.refs)
        return opened(
          `it is of more than ${limits.refs} branches and tags, which is all that a repository may have here (\`refs\`). Push those that you need, by name.`,
        );
    }
  }
}

const line = (text: string | Buffer) => {
  const content = Buffer.from(text);
  return Buffer.concat([Buffer.from((content.length + 4).toString(16).padStart(4, "0")), content]);
};
const flush = Buffer.from("0000");

/**
 * The answer of a server that takes nothing of a push, so that the pusher's Git shows the sentence as it shows what a hook
 * says (gitprotocol-pack(5), «Report Status»).
 */
export function refusedPush({ refs, capabilities }: PushCommands, sentence: string): Buffer {
  const report = Buffer.concat([line("unpack refused by the lab\n"), ...refs.map((ref) => line(`ng ${ref} refused by the lab\n`)), flush]);
  if (!capabilities.includes("side-band-64k")) return capabilities.some((name) => /^report-status/.test(name)) ? report : Buffer.alloc(0);
  const band = (number: number, content: Buffer) => line(Buffer.concat([Buffer.from([number]), content]));
  const parts: Buffer[] = [band(2, Buffer.from(`refused: ${sentence}\n`))];
  for (let start = 0; start < report.length; start += 60_000) parts.push(band(1, report.subarray(start, start + 60_000)));
  return Buffer.concat([...parts, flush]);
}
