import type { z } from "zod";
import type { GitHost } from "../components/ports/git.ts";
import type { Kinded } from "../components/ports/kinded.ts";
import type { Drivers } from "../host/driver.ts";
import type { Kind } from "../ledger/inventory.ts";
import type { Look } from "../ledger/sight.ts";
import type { LabError } from "../shared/errors.ts";
import type { StepName } from "../shared/step-name.ts";
import type { PluginChoice, StandInName } from "../tools/plugin-choice.ts";

/**
 * What the rest of the house may know of a kind of Git host; everything else stays in its folder. Such an object is data, pure
 * functions, and halves that are loaded when they are asked for.
 */
export interface GitHostProvider<Settings extends Kinded = Kinded> {
  /** The word in the cohort file and in outputs. */
  readonly kind: Settings["kind"];
  /** Its fields in the cohort file: a strict object with `kind`. */
  readonly spec: z.ZodType<Settings>;
  /** What it asks of the rest of the cohort file. */
  check?(cohort: CohortFields<Settings>, context: z.RefinementCtx): void;
  repositoryName(cohort: string, learner: string): string;
  /** Pulumi plugins that it needs, of those that have a stand-in here. */
  readonly standIns: readonly StandInName[];
  /** Names in the stack's configuration that it logs in with. */
  readonly logsInWith: readonly string[];
  readonly shown: {
    readonly title: string;
    /** The steps that an instructor waits for, by Pulumi type. */
    readonly steps: Readonly<Record<string, StepName>>;
  };
  /** What a whole cohort writes to it, by the plugin that is here or another; absent where nobody counts. */
  budget?(settings: Settings, cohort: Written, plugin?: Pick<PluginChoice, "implementation">): WriteBudget;
  readonly drivers: Drivers;
  /** What its teardown lists, and how each is found again with the stack's configuration. */
  readonly things: Readonly<Partial<Record<Kind, (config: ConfigReader) => Look>>>;
  upkeep(): Promise<GitHostUpkeep<Settings>>;
  /** Its Pulumi half, for the program alone. */
  component(): Promise<GitHost<Settings>>;
}

/** A value of the stack's configuration (`gitops-lab:<name>`), decrypted. */
export type ConfigReader = (name: string) => string | undefined;

export interface Account {
  readonly id: string;
  /** Name of the learner's account on GitHub. */
  readonly github?: string | undefined;
}

export interface CohortFields<Settings extends Kinded = Kinded> {
  readonly git: Settings;
  readonly registry: Kinded;
  readonly learners: readonly Account[];
}

export interface Written {
  readonly learners: number;
  /** Whether its workflows need a credential for the registry. */
  readonly registrySecrets: boolean;
}

export interface WriteBudget {
  /** Requests that write, for each learner and in all. */
  readonly writesPerLearner: number;
  readonly writes: number;
  readonly perMinute: number;
  readonly perHour: number;
  /** Until the last of them, with none in the hour before. */
  readonly seconds: number;
}

/** What is done for the repositories of one Git host beside Pulumi's work. */
export interface GitHostUpkeep<Settings extends Kinded = Kinded> {
  /** Whether it will let the repositories be made, before anything is. Throws LabError that says what lacks. */
  preflight?(settings: Settings, learners: readonly Account[], config: ConfigReader): Promise<void>;
  /** Why a learner's lab must not be reset; undefined where it may. */
  refuseReset?(settings: Settings, cohort: string, learner: string): LabError | undefined;
}
