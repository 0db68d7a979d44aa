import { expect } from "vitest";

/** Asserts that a command ended with exit code 0, showing what it said where it did not. Returns it. */
export function succeeded<R extends { readonly exitCode: number | undefined; readonly stderr: string; readonly stdout?: string }>(
  result: R,
): R {
  expect(result.exitCode, result.stderr + (result.stdout ?? "")).toBe(0);
  return result;
}
