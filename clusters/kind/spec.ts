import { z } from "zod";
import { fluxImages } from "../fields.ts";

/** The node image that kind v0.33.0 was released with: pkg/apis/config/defaults/image.go of its module. */
const nodeImage = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";

/** A Docker container of this machine, made by kind. */
export const KindSpec = z.strictObject({
  kind: z.literal("kind"),
  /** Node image, pinned by digest. */
  image: z
    .string()
    .regex(/^[^\s@]+@sha256:[0-9a-f]{64}$/, "must be pinned by digest, as in kindest/node:v1.37.0@sha256:...")
    .default(nodeImage),
  /** Files made by `docker save`, loaded into every node, so that nothing is pulled; relative to stacks/. */
  imageArchives: z.array(z.string().min(1)).default([]),
  fluxImages,
});
export type KindSpec = z.output<typeof KindSpec>;
