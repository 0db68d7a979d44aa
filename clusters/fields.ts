import { z } from "zod";

export const Name = z.string().regex(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be a name of a-z, 0-9 and -");
const Count = z.int().min(1, "must be at least 1").max(10, "must be at most 10");

/** Networks that may reach an API server. Nobody opens one to everybody by accident. */
export const Networks = z
  .array(z.cidrv4("must be a network such as 203.0.113.0/24"))
  .min(1, "must name at least one network, such as your own address with /32")
  .superRefine((networks, context) => {
    for (const [index, network] of networks.entries()) {
      if (network.endsWith("/0"))
        context.addIssue({
          code: "custom",
          path: [index],
          message: `${network} is open to everybody; name the networks of your instructors and learners`,
        });
    }
  });

/** Where the images of the Flux controllers are. */
export const fluxImages = z.string().min(1, "must be a registry with a path").optional();

/** What the clusters of every cloud have. */
export const cloudFields = { allowedNetworks: Networks, nodes: Count.default(1), fluxImages };
