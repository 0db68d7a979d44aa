import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "./errors.ts";

export interface WaitOptions {
  /** What is awaited, as the end of the sentence "waited 60 s for ...". */
  readonly what: string;
  readonly timeoutSeconds: number;
  /** Milliseconds between two looks. */
  readonly intervalMs?: number;
  /** The command that helps when it does not come. */
  readonly remedy: string;
}

/** The result of one look: the value, or a sentence that says why it is not there yet. */
export type Look<T> = { readonly done: true; readonly value: T } | { readonly done: false; readonly because: string };

/**
 * Looks until the condition holds. At the deadline throws a LabError `timeout` that names what was awaited and what the
 * last look saw.
 */
export async function waitUntil<T>(look: () => Promise<Look<T>>, options: WaitOptions): Promise<T> {
  const deadline = performance.now() + options.timeoutSeconds * 1000;
  for (;;) {
    const seen = await look();
    if (seen.done) return seen.value;
    if (performance.now() >= deadline) {
      throw new LabError(
        "timeout",
        `Waited ${options.timeoutSeconds} s for ${options.what}, in vain. Last seen: ${seen.because} ${options.remedy}`,
      );
    }
    await delay(options.intervalMs ?? 100);
  }
}
