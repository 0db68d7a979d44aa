import { z } from "zod";
import { isHttps, isLoopback } from "../../shared/urls.ts";

const registryFields = {
  username: z.string().min(1, "must not be empty"),
  /** A user who may only pull, for Flux and the lab's looks. */
  pullUsername: z.string().min(1, "must not be empty").optional(),
};

/** A registry elsewhere. */
export const OciSpec = z.strictObject({
  kind: z.literal("oci"),
  /** Under which every learner gets a path, e.g. `https://registry.example.org/courses`. */
  url: z
    .url({ protocol: /^https?$/, error: "must be an address, such as https://registry.example.org/courses" })
    .refine((url) => isHttps(url) || isLoopback(url), "must begin with https://")
    .refine((url) => URL.parse(url)?.pathname.toLowerCase() === URL.parse(url)?.pathname, "must be in lower case"),
  ...registryFields,
});
export type OciSettings = z.output<typeof OciSpec>;

/** GitHub's own registry, for an organization: like any other, once its address is known. */
export const GhcrSpec = z
  .strictObject({
    kind: z.literal("ghcr"),
    organization: z.string().regex(/^[a-z\d-]+$/i, "must be the name of a GitHub organization"),
    ...registryFields,
  })
  .transform(({ organization, ...rest }) => ({ ...rest, url: `https://ghcr.io/${organization.toLowerCase()}` }));
export type GhcrSettings = z.output<typeof GhcrSpec>;
