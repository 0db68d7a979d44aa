import { z } from "zod";
import { cloudFields } from "../fields.ts";

/** Amazon Elastic Kubernetes Service. */
export const EksSpec = z.strictObject({
  kind: z.literal("eks"),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "must be a region such as eu-central-1"),
  instanceType: z.string().min(1).default("t3.medium"),
  diskGb: z.int().min(20, "must be at least 20").default(20),
  spot: z.boolean().default(true),
  ...cloudFields,
});
export type EksSpec = z.output<typeof EksSpec>;
