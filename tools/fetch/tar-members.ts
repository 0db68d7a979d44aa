import { createReadStream, createWriteStream } from "node:fs";
import { basename, join } from "node:path";
import { PassThrough, type Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { extract } from "tar-stream";

export type Packing = "gzip" | "zstd" | "none";

const unpacker: Record<Packing, () => Duplex> = { gzip: createGunzip, zstd: createZstdDecompress, none: () => new PassThrough() };

/**
 * Takes files out of a tar archive into a folder, as programs, each by the last part of its name. Nothing else of the archive is
 * written, and a name in it decides over no path. Returns those that the archive does not have.
 */
export async function takeMembers(archive: string, packing: Packing, members: readonly string[], folder: string): Promise<string[]> {
  const wanted = new Set(members);
  const entries = extract();
  const reading = pipeline(createReadStream(archive), unpacker[packing](), entries);
  // Awaited below; an archive that is cut off must not end the process before.
  reading.catch(() => {});
  for await (const entry of entries) {
    const name = entry.header.name.replace(/^\.?\/+/, "");
    if (entry.header.type === "file" && wanted.delete(name)) {
      await pipeline(entry, createWriteStream(join(folder, basename(name)), { mode: 0o755 }));
    } else entry.resume();
  }
  await reading;
  return [...wanted];
}
