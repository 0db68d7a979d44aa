import { mkdtemp, open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../shared/exec.ts";

/** A process that has ended, as the kernel's accounting has it: struct acct_v3 of acct(5). */
export interface Ended {
  readonly pid: number;
  readonly parent: number;
  /** The first 15 letters of the program's name. */
  readonly name: string;
  /** Seconds of processor time of all its threads. Those of its children are their own. */
  readonly processor: number;
}

const recordBytes = 64;

/** The kernel's list of each process that ends, however short it was. A look at /proc now and then misses most of Git's. */
export class Accounting {
  readonly #folder: string;
  readonly #file: FileHandle;
  #position = 0;

  private constructor(folder: string, file: FileHandle) {
    this.#folder = folder;
    this.#file = file;
  }

  /** Throws where `accton` is missing (Debian's package acct) or may not be used: only root may, and a machine has one such list. */
  static async begin(): Promise<Accounting> {
    const folder = await mkdtemp(join(tmpdir(), "gl-acct-"));
    const path = join(folder, "pacct");
    const file = await open(path, "a+");
    await run("accton", [path]);
    return new Accounting(folder, file);
  }

  /** What has ended since the last call. */
  async read(): Promise<readonly Ended[]> {
    const { size } = await this.#file.stat();
    const whole = size - (size % recordBytes);
    const buffer = Buffer.alloc(whole - this.#position);
    await this.#file.read(buffer, 0, buffer.length, this.#position);
    this.#position = whole;
    return Array.from({ length: buffer.length / recordBytes }, (_, index) =>
      parse(buffer.subarray(index * recordBytes, (index + 1) * recordBytes)),
    );
  }

  async end(): Promise<void> {
    await run("accton", ["off"], { reject: false });
    await this.#file.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function parse(record: Buffer): Ended {
  // A comp_t has thirteen bits, and three of an exponent of eight; it counts hundredths of a second.
  const seconds = (offset: number) => {
    const value = record.readUInt16LE(offset);
    return ((value & 0x1fff) * 8 ** (value >> 13)) / 100;
  };
  return {
    pid: record.readUInt32LE(16),
    parent: record.readUInt32LE(20),
    name: record.toString("latin1", 48, recordBytes).split("\0")[0]!,
    processor: seconds(32) + seconds(34),
  };
}
