import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { execa, type Options, type ResultPromise } from "execa";
import { childEnvironment } from "./environment.ts";

/**
 * Runs a program and returns its result; throws execa's error (with `shortMessage` and `stderr`) on a non-zero exit.
 * Programs are started in this file alone, so that what every child process gets is decided in one place. Secrets belong in `env` or
 * on standard input, never in `args`, which every user of the machine can read.
 *
 * @param options `env` is what `childEnvironment` gives for the kind of program, or what one that just looks gets besides; with
 * `extendEnv: false` it is all there is. Nothing of the caller's comes through that is not on a list of shared/environment.ts.
 */
export function run<O extends Options>(command: string, args: readonly string[], options?: O): ResultPromise<O> {
  const env = options?.extendEnv === false ? options.env : childEnvironment("program", options?.env);
  return execa(command, args, { ...options, env: env ?? {}, extendEnv: false } as O) as unknown as ResultPromise<O>;
}

/**
 * Starts a program whose standard files are pipes, and its file 3 a socket to this process, which the kernel shuts when this
 * process ends in whatever way. In a session of its own, so that a signal to the process group reaches all that it started.
 */
export function startPiped(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): ChildProcess {
  return spawn(command, args, { cwd: options.cwd, env: { ...options.env }, detached: true, stdio: ["pipe", "pipe", "pipe", "pipe"] });
}

export interface DetachedOptions {
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Standard output and error are appended to it; created with mode 0600. */
  readonly logFile: string;
}

export interface DetachedProcess {
  readonly pid: number | undefined;
  /** Resolves with the reason when the process has ended; never rejects. */
  readonly ended: Promise<string>;
}

/**
 * Starts a program in a session of its own, which outlives this process. Node's own spawn, because what outlives its
 * parent has no use for pipes, buffers and clean-up, and must write to its log by itself.
 */
export function startDetached(command: string, args: readonly string[], options: DetachedOptions): DetachedProcess {
  const log = openSync(options.logFile, "a", 0o600);
  try {
    const child = spawn(command, args, { cwd: options.cwd, env: { ...options.env }, detached: true, stdio: ["ignore", log, log] });
    child.unref();
    return {
      pid: child.pid,
      ended: new Promise((resolve) => {
        child.once("error", (error) => resolve(error.message));
        child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `killed by ${signal}`));
      }),
    };
  } finally {
    closeSync(log);
  }
}
