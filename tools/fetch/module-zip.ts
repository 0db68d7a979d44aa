import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { inflateRaw, inflateRawSync } from "node:zlib";

/*
 * The zip archive in which a Go module is published, and the sum by which go.sum proves it: `h1:` and the SHA-256, in base64, of a
 * list of its files in the order of their names, each with its own SHA-256 (golang.org/x/mod/sumdb/dirhash). Such an archive is
 * below 500 MiB and has none of the format's extensions for larger ones (golang.org/x/mod/zip).
 */

const inflate = promisify(inflateRaw) as (packed: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

export interface ZipEntry {
  readonly name: string;
  readonly read: () => Promise<Buffer>;
}

/** Below that the way to another thread and back takes longer than the work. */
const smallBytes = 256 * 1024;

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const endLength = 22;
const maxBytes = 500 * 1024 ** 2;
/** Of all files together: it is read before its sum is known to be right. */
const maxTotalBytes = 1024 ** 3;

/** The files of an archive, by its own list of them. Throws for what is no zip archive of the kind that Go makes. */
export async function zipEntries(file: string): Promise<ZipEntry[]> {
  const zip = await readFile(file);
  let end = zip.length - endLength;
  while (end >= 0 && zip.readUInt32LE(end) !== endSignature) end--;
  if (end < 0) throw new Error("no zip archive");
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  const entries: ZipEntry[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    if (zip.readUInt32LE(at) !== entrySignature) throw new Error("a damaged zip archive");
    const [method, packed, size] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 24)];
    const [nameLength, extraLength, commentLength] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30), zip.readUInt16LE(at + 32)];
    const header = zip.readUInt32LE(at + 42);
    const name = zip.toString("utf8", at + 46, at + 46 + nameLength);
    total += size;
    if (total > maxTotalBytes) throw new Error("a zip archive of too much");
    at += 46 + nameLength + extraLength + commentLength;
    if (!name.endsWith("/")) entries.push({ name, read: () => content(zip, header, method, packed, size) });
  }
  return entries;
}

async function content(zip: Buffer, header: number, method: number, packed: number, size: number): Promise<Buffer> {
  if (size > maxBytes) throw new Error("a file that is too large");
  const begin = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
  const bytes = zip.subarray(begin, begin + packed);
  const limit = { maxOutputLength: size || 1 };
  const whole = method === 0 ? bytes : size < smallBytes ? inflateRawSync(bytes, limit) : await inflate(bytes, limit);
  if (whole.length !== size) throw new Error("a file of another length than the zip archive says");
  return whole;
}

/** The sum of an archive, as go.sum has it. Throws as zipEntries does. */
export async function moduleSum(file: string): Promise<string> {
  const entries = (await zipEntries(file)).toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const list = createHash("sha256");
  for (const { name, read } of entries) {
    if (name.includes("\n")) throw new Error("a name of two lines");
    list.update(
      `${createHash("sha256")
        .update(await read())
        .digest("hex")}  ${name}\n`,
    );
  }
  return `h1:${list.digest("base64")}`;
}
