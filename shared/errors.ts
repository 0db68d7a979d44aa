/** Exit codes of `./lab`; shared/error-codes.ts says what each means. */
export const ExitCode = {
  ok: 0,
  /** The work was tried and did not succeed: a check failed, a learner did not become ready. */
  failed: 1,
  /** The input is wrong; nothing was created. */
  badInput: 2,
  /** Something could not be looked at, so there is no verdict. */
  unknown: 3,
  /** A defect of this program. */
  bug: 70,
  /** Ended by a signal, in order: 128 and the signal's number. */
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface LabErrorOptions {
  readonly exitCode?: ExitCode;
  readonly cause?: unknown;
}

/**
 * An expected failure. The message is one paragraph: it names the field or the thing, says what was expected, and ends
 * with the command that helps. It is shown without a stack trace; every other error is a defect and shows its stack.
 */
export class LabError extends Error {
  override readonly name = "LabError";
  /** Stable identifier, e.g. `cohort-invalid`, with a row in shared/error-codes.ts; scripts may match on it. */
  readonly code: string;
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, options: LabErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = options.exitCode ?? ExitCode.failed;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
