import { z } from "zod";
import { cloudFields } from "../fields.ts";

/** Google Kubernetes Engine, one zone. */
export const GkeSpec = z.strictObject({
  kind: z.literal("gke"),
  project: z.string().regex(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, "must be the id of a Google Cloud project"),
  zone: z.string().regex(/^[a-z]+-[a-z]+\d+-[a-z]$/, "must be a zone such as europe-west1-b"),
  machineType: z.string().min(1).default("e2-standard-2"),
  diskGb: z.int().min(20, "must be at least 20").default(30),
  /** Machines that Google may take back at any time, at a fraction of the price. */
  spot: z.boolean().default(true),
  ...cloudFields,
});
export type GkeSpec = z.output<typeof GkeSpec>;
