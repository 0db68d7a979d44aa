import type { Environment } from "../shared/names.ts";
import type { LearnerOutputs } from "../shared/outputs.ts";
import type { GitReader } from "./git-reader.ts";
import type { KubeReader } from "./kube-reader.ts";
import type { RegistryReader } from "./registry-reader.ts";

/** Where an observation comes from; `simulated` where it rests on pods that no kubelet runs. */
export type Basis = "live" | "simulated";

/**
 * The answer of a check. `error` means the check could not look, and is never graded as a failure of the learner;
 * it is never a pass either.
 */
export type CheckResult =
  | { readonly status: "pass"; readonly basis: Basis; readonly observed: string; readonly facts?: unknown }
  | {
      readonly status: "fail";
      readonly basis: Basis;
      readonly expected: string;
      /** One line for each thing that is wrong. */
      readonly observed: string;
      readonly hint: string;
      /** ISO 8601; present where nothing is to be done but to wait until then. */
      readonly waitUntil?: string;
      readonly facts?: unknown;
    }
  | { readonly status: "error"; readonly reason: string };

export interface CheckContext {
  readonly kube: KubeReader;
  readonly git: GitReader;
  readonly registry: RegistryReader;
  readonly learner: LearnerOutputs;
  readonly environments: readonly Environment[];
  readonly signal: AbortSignal;
}

/** One item of an evidence checklist. Reads live state only and changes nothing. */
export interface EvidenceCheck {
  readonly id: string;
  readonly title: string;
  /** The command of the chapter that shows the same by hand. */
  readonly command: string;
  run(context: CheckContext): Promise<CheckResult>;
}

export interface CheckReport {
  readonly id: string;
  readonly title: string;
  readonly command: string;
  /** ISO 8601 time of the observation. */
  readonly observedAt: string;
  readonly result: CheckResult;
}
