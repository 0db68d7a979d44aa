import type { z } from "zod";
import type { Kinded } from "../components/ports/kinded.ts";
import type { Registry } from "../components/ports/registry.ts";
import type { Drivers } from "../host/driver.ts";
import type { StepName } from "../shared/step-name.ts";

/**
 * What the rest of the house may know of a kind of registry; everything else stays in its folder. Such an object is data and
 * halves that are loaded when they are asked for.
 */
export interface RegistryProvider<Settings extends Kinded = Kinded> {
  /** The word in the cohort file and in outputs. */
  readonly kind: Settings["kind"];
  /** Its fields in the cohort file: a strict object with `kind`. */
  readonly spec: z.ZodType<Settings>;
  /** Whether GitHub's workflows log in to it with their job's own token. */
  readonly takesJobToken: boolean;
  /** The steps that an instructor waits for, by Pulumi type. */
  readonly steps: Readonly<Record<string, StepName>>;
  readonly drivers: Drivers;
  /** Its Pulumi half, for the program alone. */
  component(): Promise<Registry<Settings>>;
}
