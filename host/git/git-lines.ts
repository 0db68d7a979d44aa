import type { Readable } from "node:stream";
import { run } from "../../shared/exec.ts";
import { boundedGit } from "./bounded-git.ts";
import { gitEnvironment } from "./repository.ts";

export interface GitRead {
  readonly repository: string;
  /** See `Push`; none for what was accepted. */
  readonly quarantine?: Readonly<Record<string, string>>;
  /** Ends the read with an error. */
  readonly signal: AbortSignal;
}

/** The longest line of what Git says: a path may be of any length. */
const longestLine = 64 * 1024;

/**
 * What a Git command says, line by line as it says it, so that nobody holds it as a whole. Leaving the loop ends Git. Throws
 * where Git fails, and for a line that is longer than any that the lab has a use for.
 *
 * @param into a second command that the first one's output goes to, whose lines it are then
 */
export async function* gitLines(
  { repository, quarantine = {}, signal }: GitRead,
  args: readonly string[],
  { input, into, separator = "\n" }: { readonly input?: string; readonly into?: readonly string[]; readonly separator?: "\n" | "\0" } = {},
): AsyncGenerator<Buffer> {
  const left = new AbortController();
  const options = {
    env: { ...gitEnvironment(), ...quarantine },
    buffer: false,
    reject: false,
    cancelSignal: AbortSignal.any([signal, left.signal]),
  } as const;
  const [command, all] = await boundedGit([`--git-dir=${repository}`, ...args]);
  const first = run(command, all, { ...options, stdin: "pipe" });
  const running: PromiseLike<{ readonly failed: boolean; readonly shortMessage?: string | undefined }>[] = [first];
  let output: Readable = first.stdout;
  if (into !== undefined) {
    const [command, all] = await boundedGit([`--git-dir=${repository}`, ...into]);
    const second = run(command, all, { ...options, stdin: "pipe" });
    running.push(second);
    second.stdin.on("error", () => undefined);
    first.stdout.pipe(second.stdin);
    output = second.stdout;
  }
  first.stdin.on("error", () => undefined);
  first.stdin.end(input ?? "");
  const mark = separator.charCodeAt(0);
  try {
    let received = Buffer.alloc(0);
    for await (const chunk of output as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, chunk]);
      let start = 0;
      for (let end = received.indexOf(mark); end >= 0; end = received.indexOf(mark, start)) {
        yield received.subarray(start, end);
        start = end + 1;
      }
      received = received.subarray(start);
      if (received.length > longestLine) throw new Error(`git ${args[0]} says a line of more than ${longestLine} bytes`);
    }
    for (const result of await Promise.all(running)) {
      if (result.failed) throw new Error(`git ${args[0]} in ${repository} failed: ${result.shortMessage}`);
    }
  } finally {
    left.abort();
    await Promise.allSettled(running);
  }
}
