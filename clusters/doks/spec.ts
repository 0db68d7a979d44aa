import { z } from "zod";
import { cloudFields } from "../fields.ts";

/** DigitalOcean Kubernetes. */
export const DoksSpec = z.strictObject({
  kind: z.literal("doks"),
  region: z.string().regex(/^[a-z]{3}\d$/, "must be a region such as fra1"),
  size: z.string().min(1).default("s-2vcpu-4gb"),
  ...cloudFields,
});
export type DoksSpec = z.output<typeof DoksSpec>;
