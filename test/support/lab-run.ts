import { createInterface } from "node:readline";
import { ProgressEvent } from "../../cli/progress/events.ts";
import type { TestCohort } from "./lab-cli.ts";

export interface EndedRun {
  readonly exitCode: number | undefined;
  /** The signal that ended it, where one did. */
  readonly signal: string | undefined;
  readonly events: readonly ProgressEvent[];
  readonly stderr: string;
}

/** A `./lab` that runs with `--json`, whose events say when to do something to it. */
export interface LabRun {
  readonly pid: number;
  /** The first event, past or to come, that is as asked for. Rejects when the run ends without it. */
  readonly until: (isIt: (event: ProgressEvent) => boolean) => Promise<ProgressEvent>;
  readonly ended: Promise<EndedRun>;
}

/** Starts `./lab <args> --json`. Every line on its standard output has to be an event. */
export function startRun(cohort: TestCohort, ...args: string[]): LabRun {
  const child = cohort.startLab(...args, "--json");
  const events: ProgressEvent[] = [];
  const waiting: {
    readonly isIt: (event: ProgressEvent) => boolean;
    readonly resolve: (event: ProgressEvent) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  const lines = createInterface({ input: child.stdout! });
  const read = (async () => {
    for await (const line of lines) {
      const event = ProgressEvent.parse(JSON.parse(line));
      events.push(event);
      for (const one of waiting) if (one.isIt(event)) one.resolve(event);
    }
  })();
  const ended = (async () => {
    const [{ exitCode, signal, stderr }] = await Promise.all([child, read]);
    for (const { reject } of waiting) reject(new Error(`The run ended without the event: ${stderr}`));
    return { exitCode, signal, events, stderr: String(stderr) };
  })();
  ended.catch(() => {});
  return {
    pid: child.pid!,
    until: (isIt) => {
      const seen = events.find(isIt);
      if (seen !== undefined) return Promise.resolve(seen);
      return new Promise((resolve, reject) => waiting.push({ isIt, resolve, reject }));
    },
    ended,
  };
}
