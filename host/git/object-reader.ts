import { run } from "../../shared/exec.ts";
import { boundedGit } from "./bounded-git.ts";
import { gitEnvironment } from "./repository.ts";

export interface ObjectInfo {
  readonly oid: string;
  readonly type: string;
  readonly bytes: number;
}

/** No look into a repository within its limits takes longer, however busy the machine is. */
const timeoutMs = 60_000;
/** A push is judged and settled within many looks that follow each other at once. */
const idleMs = 1_000;
/** Of a line about an object, and of what Git says on its end. */
const longestLine = 64 * 1024;

/**
 * Looks at single objects of a repository, by `git cat-file --batch-command`: one process for all looks that follow each other,
 * which ends a second after the last. A process of its own for each costs the web process 10 ms in which it does nothing else.
 * Looks are taken one after the other.
 *
 * @param quarantine see `Push`; none for what was accepted
 */
export class ObjectReader {
  readonly #repository: string;
  readonly #quarantine: Readonly<Record<string, string>>;
  #running: Running | undefined;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(repository: string, quarantine: Readonly<Record<string, string>> = {}) {
    this.#repository = repository;
    this.#quarantine = quarantine;
  }

  /** What the names, in Git's syntax of revisions, stand for; undefined where there is no such object. */
  infos(names: readonly string[]): Promise<(ObjectInfo | undefined)[]> {
    return this.#next(async (git) => {
      // A name with a line break in it would be two.
      const asked = names.filter((name) => !name.includes("\n"));
      git.write(asked.map((name) => `info ${name}\n`).join(""));
      const found = new Map<string, ObjectInfo | undefined>();
      for (const name of asked) found.set(name, infoOf(await git.line()));
      return names.map((name) => found.get(name));
    });
  }

  async info(name: string): Promise<ObjectInfo | undefined> {
    return (await this.infos([name]))[0];
  }

  /** The content of an object that `info` found. Whoever asks has looked at its size. */
  contents({ oid, bytes }: ObjectInfo): Promise<Buffer> {
    return this.#next(async (git) => {
      git.write(`contents ${oid}\n`);
      const actual = infoOf(await git.line());
      if (actual?.bytes !== bytes) throw new Error(`${oid} in ${this.#repository} is not there any more`);
      const content = await git.bytes(bytes + 1);
      return content.subarray(0, -1);
    });
  }

  #next<T>(look: (git: Running) => Promise<T>): Promise<T> {
    const next = this.#last.then(() => this.#look(look));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #look<T>(look: (git: Running) => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    this.#running ??= await start(this.#repository, this.#quarantine);
    const git = this.#running;
    const late = setTimeout(() => git.kill(), timeoutMs);
    try {
      return await look(git);
    } catch (error) {
      // What it says next may belong to this look.
      this.#running = undefined;
      git.kill();
      throw error;
    } finally {
      clearTimeout(late);
      this.#idle = setTimeout(() => this.#end(), idleMs);
      this.#idle.unref();
    }
  }

  #end(): void {
    this.#running?.end();
    this.#running = undefined;
  }
}

const infoOf = (line: string): ObjectInfo | undefined => {
  const [, oid, type, bytes] = /^([0-9a-f]{40}) (\w+) (\d+)$/.exec(line) ?? [];
  return oid === undefined || type === undefined ? undefined : { oid, type, bytes: Number(bytes) };
};

interface Running {
  write(commands: string): void;
  line(): Promise<string>;
  bytes(count: number): Promise<Buffer>;
  end(): void;
  kill(): void;
}

async function start(repository: string, quarantine: Readonly<Record<string, string>>): Promise<Running> {
  const killed = new AbortController();
  const [command, args] = await boundedGit([`--git-dir=${repository}`, "cat-file", "--batch-command"]);
  const git = run(command, args, {
    env: { ...gitEnvironment(), ...quarantine },
    stdin: "pipe",
    buffer: { stdout: false, stderr: true },
    maxBuffer: longestLine,
    reject: false,
    cancelSignal: killed.signal,
  });
  // Who reads learns of its end.
  git.stdin.on("error", () => undefined);
  const chunks = (git.stdout as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  let received: Buffer = Buffer.alloc(0);
  async function more(): Promise<void> {
    const { value, done } = await chunks.next();
    if (done !== true) {
      received = received.length === 0 ? value : Buffer.concat([received, value]);
      return;
    }
    const { stderr, shortMessage } = await git;
    throw new Error(`git cat-file in ${repository} ended: ${stderr.trim() || shortMessage || "it was not asked to"}`);
  }
  function take(count: number): Buffer {
    const taken = received.subarray(0, count);
    received = received.subarray(count);
    return taken;
  }
  return {
    write: (commands) => void git.stdin.write(commands),
    async line() {
      for (;;) {
        const end = received.indexOf("\n");
        if (end >= 0) return take(end + 1).toString("utf8", 0, end);
        if (received.length > longestLine) throw new Error(`git cat-file in ${repository} says a line of more than ${longestLine} bytes`);
        await more();
      }
    },
    async bytes(count) {
      while (received.length < count) await more();
      return take(count);
    },
    end: () => void git.stdin.end(),
    kill: () => killed.abort(),
  };
}
