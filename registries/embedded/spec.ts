import { z } from "zod";
import { labHostKind } from "../../shared/on-lab-host.ts";

/** The cohort's registry on the lab host. */
export const EmbeddedSpec = z.strictObject({ kind: z.literal(labHostKind) });
export type EmbeddedSettings = z.output<typeof EmbeddedSpec>;
