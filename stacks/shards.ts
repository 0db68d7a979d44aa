import { createHash } from "node:crypto";
import { z } from "zod";

/** One of several stacks that together hold a class too large for one: `2/5` is the second of five. */
export const Shard = z
  .string()
  .regex(/^[1-9]\d*\/[1-9]\d*$/, "must be a number of how many, such as 2/5")
  .transform((text) => {
    const [index = 0, count = 0] = text.split("/").map(Number);
    return { index, count };
  })
  .refine(({ index, count }) => index <= count, { error: "must not be more than there are, as in 2/5" })
  .refine(({ count }) => count <= 100, { error: "must be of at most 100" });
export type Shard = z.output<typeof Shard>;

/** The learners of a shard. By the id alone, so that who comes or goes moves nobody else from one stack to another. */
export function inShard<L extends { readonly id: string }>(learners: readonly L[], { index, count }: Shard): L[] {
  return learners.filter(({ id }) => createHash("sha256").update(id).digest().readUInt32BE() % count === index - 1);
}
