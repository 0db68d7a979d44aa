import { z } from "zod";

/** As far as CycloneDX 1.6 asks for it, and no further field: a slip in a name would be one. */
const Component = z.strictObject({
  type: z.enum(["library", "application"]),
  "bom-ref": z.string().min(1),
  name: z.string().min(1),
  version: z.string(),
  scope: z.enum(["required", "optional", "excluded"]).optional(),
  purl: z
    .string()
    .regex(/^pkg:(npm|golang)\/[^@\s]+@[^@\s]+$/)
    .optional(),
  hashes: z
    .array(
      z.union([
        z.strictObject({ alg: z.literal("SHA-512"), content: z.string().regex(/^[0-9a-f]{128}$/) }),
        z.strictObject({ alg: z.literal("SHA-1"), content: z.string().regex(/^[0-9a-f]{40}$/) }),
      ]),
    )
    .optional(),
  licenses: z
    .union([
      z.array(z.strictObject({ license: z.strictObject({ id: z.string() }) })),
      z.tuple([z.strictObject({ expression: z.string() })]),
    ])
    .optional(),
  properties: z.array(z.strictObject({ name: z.string(), value: z.string() })).optional(),
});

export const Sbom = z.strictObject({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.literal("1.6"),
  serialNumber: z.string().regex(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
  version: z.literal(1),
  metadata: z.strictObject({ timestamp: z.iso.datetime(), component: Component }),
  components: z.array(Component),
});
