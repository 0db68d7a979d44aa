import { expect } from "vitest";
import type { CheckContext, CheckResult, EvidenceCheck } from "../../verification/types.ts";
import { runChecks } from "../../verification/verify.ts";
import { LabState } from "./lab-state.ts";

/** Bends a healthy lab and says what the answer must then name. */
export type Case = readonly [name: string, bend: (lab: LabState) => void, says: string | RegExp];

/** The answer of a check about a healthy lab, bent. */
export async function ask(
  check: EvidenceCheck,
  bend: (lab: LabState) => void = () => {},
  context?: Partial<CheckContext>,
): Promise<CheckResult> {
  const lab = new LabState();
  bend(lab);
  const [report] = await runChecks([check], lab.context(context));
  return report!.result;
}

export async function expectFailure(check: EvidenceCheck, bend: (lab: LabState) => void, says: string | RegExp): Promise<void> {
  const result = await ask(check, bend);
  expect(result).toMatchObject({ status: "fail", observed: expect.stringMatching(says) });
}

export async function expectError(check: EvidenceCheck, bend: (lab: LabState) => void, says: RegExp): Promise<void> {
  expect(await ask(check, bend)).toEqual({ status: "error", reason: expect.stringMatching(says) });
}
