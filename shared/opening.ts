import { z } from "zod";

/** Where a cohort can be reached beside loopback: `access` in the cohort file. */
export const Opening = z.object({
  /** Address of this machine, or a host name that leads to one, on which the lab listens. */
  listen: z.string(),
  /** By which learners reach it; what URLs, kubeconfigs and certificates say. */
  name: z.string(),
});
export type Opening = z.output<typeof Opening>;

/** How a cluster comes to what is embedded: over this machine's loopback, or by the opened address, over TLS. */
export type Via = "loopback" | "door";
