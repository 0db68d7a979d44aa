import { z } from "zod";
import { labHostKind } from "../../shared/on-lab-host.ts";

/** Processes of this machine. */
export const EmbeddedSpec = z.strictObject({
  kind: z.literal(labHostKind),
  /** Whether pods run for real, which not every machine allows; `auto`: where this one does. */
  nodes: z.enum(["simulated", "real", "auto"]).default("simulated"),
});
export type EmbeddedSpec = z.output<typeof EmbeddedSpec>;

/** The same with the choice taken. */
export interface EmbeddedPlan {
  readonly kind: EmbeddedSpec["kind"];
  readonly nodes: "simulated" | "real";
}
