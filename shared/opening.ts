import { z } from "zod";

/** Where a cohort can be reached beside loopback: `access` in the cohort file. */
export const Opening = z.object({
  /** Address of this machine, or a host name that leads to one, on which the lab listens. */
  listen: z.string(),
  /** The name that learners use, in URLs, kubeconfigs and certificates. */
  name: z.string(),
});
export type Opening = z.output<typeof Opening>;

/** How a cluster reaches embedded parts: over this machine's loopback, or by the opened address, over TLS. */
export type Via = "loopback" | "door";
