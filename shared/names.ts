import { z } from "zod";

/** RFC 1123 label, shortened so that prefixed names still fit in Kubernetes' 63 characters. */
export const DnsLabel = z
  .string()
  .regex(/^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/, "must be 1-30 characters of a-z, 0-9 and -, starting with a letter and not ending with -");

/** The three environments of a promotion, in the order an image passes through them. */
export const environments = ["develop", "staging", "production"] as const;
export type Environment = (typeof environments)[number];

/** Namespace of the Flux objects in every learner's cluster. */
export const fluxNamespace = "flux-system";

/** Labels for things on a Kubernetes or in a cloud that others use as well: they say whose a thing is. */
export const cohortLabel = "gitops-lab-cohort";
export const learnerLabel = "gitops-lab-learner";

/** Label for things that several labs may have in one place, with the mark of the lab home that made it. */
export const markLabel = "gitops-lab-mark";

/** The Secret beside Flux with the authority of a registry that no public one vouches for. */
export const registryAuthoritySecret = "backend-registry-ca";

/** The user that puts a learner's repository back to an earlier state. The gate lets only this user through. A learner's id has no dot. */
export function resetUsername(learner: string): string {
  return `${learner}.reset`;
}
