import { run } from "../../shared/exec.ts";

/** A program that runs in a room of its own, which goes with it: no network, and no file but what is named here. */
export interface ThrownAwayJob {
  /** The program, a path of the host; in the room it is /program. */
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files and folders of the host that it reads, by their path in the room. */
  readonly reads?: Readonly<Record<string, string>>;
  /** Folders of the host that it may write to, by their path in the room. */
  readonly writes?: Readonly<Record<string, string>>;
  /** Working folder, a path in the room. Default: /. */
  readonly cwd?: string;
  readonly input?: Uint8Array | string;
  readonly limits: { readonly seconds: number; readonly memoryBytes: number; readonly processes: number; readonly outputBytes: number };
}

export interface ThrownAwayOutcome {
  /** `ended` with its exit code; otherwise it was killed, with all that it started. */
  readonly end: "ended" | "killed" | "too-long" | "too-much-output";
  readonly exitCode?: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs the job to its end, or ends it at its limits. */
export async function runThrownAway(job: ThrownAwayJob): Promise<ThrownAwayOutcome> {
  const { seconds, outputBytes } = job.limits;
  const result = await run(job.program, job.args, {
    env: { ...job.env },
    extendEnv: false,
    reject: false,
    encoding: "buffer",
    timeout: seconds * 1000,
    maxBuffer: outputBytes,
    ...(job.input === undefined ? { stdin: "ignore" as const } : { input: job.input }),
    ...(job.cwd !== undefined && { cwd: job.cwd }),
  });
  return {
    end: result.timedOut ? "too-long" : result.isMaxBuffer ? "too-much-output" : result.exitCode === undefined ? "killed" : "ended",
    ...(result.exitCode !== undefined && { exitCode: result.exitCode }),
    stdout: Buffer.from(result.stdout ?? []),
    stderr: Buffer.from(result.stderr ?? []).toString("utf8"),
  };
}
