import type { Transferred } from "./fetch/meter.ts";

/** One thing that is being installed, and what is going on with it. */
export interface Step {
  /** Counted from 1. */
  readonly index: number;
  readonly total: number;
  /** Name and version. */
  readonly what: string;
  /** E.g. "building from source". */
  readonly activity: string;
  /** How far all the downloads together are, now. */
  readonly transferred?: () => Transferred | undefined;
}

/** Shows the steps of an installation to a human until it is closed. */
export interface ProgressLines {
  readonly show: (step: Step) => void;
  readonly close: () => void;
}

type Output = Pick<NodeJS.WriteStream, "write" | "isTTY">;

/**
 * Writes `[3/17] kube-apiserver 1.36.2: building from source, 1m 10s`. On a terminal the line is updated in place every
 * second; elsewhere a new one comes every 15 seconds, so that a log shows that there is life.
 */
export function progressLines(output: Output, now: () => number = Date.now): ProgressLines {
  let current: { step: Step; since: number } | undefined;
  // Several are under way at once.
  const began = new Map<number, number>();

  const write = () => {
    if (!current) return;
    const line = formatStep(current.step, now() - current.since);
    output.write(output.isTTY ? `\r\u001b[2K${line}` : `${line}\n`);
  };
  const timer = setInterval(write, output.isTTY ? 1000 : 15_000);
  timer.unref();

  return {
    show(step) {
      const same = current?.step.index === step.index;
      if (output.isTTY && current && !same) output.write("\n");
      const since = began.get(step.index) ?? now();
      began.set(step.index, since);
      current = { step, since };
      timer.refresh();
      write();
    },
    close() {
      clearInterval(timer);
      if (output.isTTY && current) output.write("\n");
      current = undefined;
    },
  };
}

export function formatStep({ index, total, what, activity, transferred }: Step, elapsedMs: number): string {
  const seconds = Math.floor(elapsedMs / 1000);
  const far = transferred?.();
  return `[${index}/${total}] ${what}: ${activity}${seconds > 0 ? `, ${inWords(seconds)}` : ""}${far ? ` (${formatTransferred(far)})` : ""}`;
}

/** `123 of 551 MB, 6.2 MB/s, 1m 10s left` */
function formatTransferred({ bytes, totalBytes, bytesPerSecond, secondsLeft }: Transferred): string {
  const mb = (count: number) => count / 1e6;
  const left = secondsLeft === undefined ? [] : [`${mb(bytesPerSecond).toFixed(1)} MB/s`, `${inWords(Math.ceil(secondsLeft))} left`];
  return [`${mb(bytes).toFixed(0)} of ${mb(totalBytes).toFixed(0)} MB`, ...left].join(", ");
}

const inWords = (seconds: number) => (seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m ${seconds % 60}s`);
