import { messageOf } from "../shared/errors.ts";

/** How much a line of a log matters to who reads only some of them. */
export type LogLevel = "info" | "warn" | "error";

export interface LogFields {
  /** Of whose lab it tells; without it of the cohort, and no learner's log has it. */
  readonly learner?: string;
  /** What was thrown; its stack goes into the log. */
  readonly error?: unknown;
  readonly [field: string]: unknown;
}

/** A line of the log of one of the lab's own processes. */
export interface LogLine extends LogFields {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
}

/** What one line holds at most of a text that somebody else wrote. */
const longestText = 8192;

/**
 * Writes one line to the log of this process, as a JSON object. Standard error is the log: daemon and web process have theirs
 * there. Words of others are values in it, so that no line is made of them.
 */
export function log(level: LogLevel, message: string, { error, ...fields }: LogFields = {}): void {
  const thrown = error === undefined ? {} : { error: messageOf(error), ...(error instanceof Error && { stack: error.stack }) };
  const line = { time: new Date().toISOString(), level, message, ...fields, ...thrown };
  console.error(
    JSON.stringify(line, (_, value: unknown) =>
      typeof value === "string" && value.length > longestText ? `${value.slice(0, longestText)}…` : value,
    ),
  );
}

/** Has what ends this process told in its log as a line like any other, before Node says it. */
export function logWhatEndsThis(): void {
  process.on("uncaughtExceptionMonitor", (error) => log("error", "ended by an error that nobody expected", { error }));
}
