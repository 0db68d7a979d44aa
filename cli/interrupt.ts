import { isRunning, livingEngines } from "../ledger/process-identity.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortPaths } from "../shared/paths.ts";
import type { RunReporter } from "./progress/reporter.ts";
import { duration, note, onReaderGone, paint } from "./terminal.ts";

/** Signals that ask a run to end, and the exit code of one that did: 128 and the signal's number, as a shell has it. */
const signals = { SIGINT: ExitCode.interrupted, SIGTERM: ExitCode.terminated, SIGHUP: ExitCode.hungUp } as const;
type StopSignal = keyof typeof signals;

/** What is under way when a run is interrupted may go on this long; then the engine drops it. */
const graceMs = 5000;
/** An engine that still runs so much later is ended by force. */
const forceMs = 10_000;

export interface Interrupt {
  /** For the engine's operations: they end their engine in order when it is aborted. */
  readonly signal: AbortSignal;
  /** Throws when the run is to end. */
  readonly check: () => void;
  /** What needs no engine to end is not waited for. */
  readonly orEnd: <T>(work: Promise<T>) => Promise<T>;
}

export interface InterruptOptions {
  readonly paths: Pick<CohortPaths, "daemon">;
  /** The command that goes on from where the run ended. */
  readonly resume: string;
  /** Told of each signal, with a sentence for people. */
  readonly onSignal: (signal: StopSignal, atOnce: boolean, sentence: string) => void;
}

/** Tells a signal as an event, and to people as a sentence. */
export function interruptionTeller(reporter: RunReporter): InterruptOptions["onSignal"] {
  return (signal, atOnce, sentence) => {
    note(paint("yellow", sentence, process.stderr));
    reporter.tell({ event: "interrupted", signal, atOnce });
  };
}

/**
 * Does something that SIGINT, SIGTERM and SIGHUP end in order: the engine begins nothing more and notes what it has done.
 * A second signal ends it at once. Throws LabError `interrupted` when that was so, with the signal's exit code.
 */
export async function interruptible<T>(
  { paths, resume, onSignal }: InterruptOptions,
  work: (interrupt: Interrupt) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  let received: StopSignal | undefined;
  const engines = (signal: NodeJS.Signals) => {
    for (const engine of livingEngines(paths.daemon, process.pid)) if (isRunning(engine)) process.kill(engine.pid, signal);
  };
  const stop = (signal: StopSignal) => {
    if (received !== undefined) {
      onSignal(signal, true, "Ending at once.");
      return engines("SIGKILL");
    }
    received = signal;
    onSignal(
      signal,
      false,
      `${signal}: nothing more is begun; what is under way has ${duration(graceMs)} to finish. What is there stays, and \`${resume}\` goes on from it. A second signal ends everything at once.`,
    );
    abort.abort();
    timers.push(
      setTimeout(() => engines("SIGINT"), graceMs),
      setTimeout(() => engines("SIGKILL"), graceMs + forceMs),
    );
  };
  const interrupted = () =>
    new LabError("interrupted", `Interrupted by ${received}. Run \`${resume}\` to go on.`, { exitCode: signals[received ?? "SIGINT"] });
  const check = () => {
    if (received !== undefined) throw interrupted();
  };
  const aborted = new Promise<never>((_resolve, reject) => abort.signal.addEventListener("abort", () => reject(interrupted())));
  aborted.catch(() => {});
  for (const signal of Object.keys(signals) as StopSignal[]) process.on(signal, stop);
  // Whoever followed the events is gone, as when a terminal closes.
  const forgetReader = onReaderGone(() => {
    if (received === undefined) stop("SIGHUP");
  });
  try {
    const result = await work({ signal: abort.signal, check, orEnd: (other) => Promise.race([other, aborted]) });
    check();
    return result;
  } catch (error) {
    check();
    throw error;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    forgetReader();
    for (const signal of Object.keys(signals) as StopSignal[]) process.off(signal, stop);
  }
}
