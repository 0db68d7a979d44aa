import { z } from "zod";
import { fluxImages } from "../fields.ts";

const placeholder = "{learner}";
const onlyThat = (text: string) => !/[{}]/.test(text.replaceAll(placeholder, ""));
const Name = z.string().min(1, "must not be empty").refine(onlyThat, `may have ${placeholder} in it, and no other braces`);

/** A whole cluster a learner, which somebody else made and keeps: the instructor brings its kubeconfig. */
export const ExternalSpec = z.strictObject({
  kind: z.literal("external"),
  /** File of its administrator's kubeconfig, relative to stacks/. `{learner}` stands for the learner's id, here and in `context`. */
  kubeconfig: Name,
  /** Context in it; without it the current one. */
  context: Name.optional(),
  fluxImages,
});
export type ExternalSpec = z.output<typeof ExternalSpec>;

/** What the cohort file says, for one learner. */
export function planOf({ kubeconfig, context, ...rest }: ExternalSpec, learner: string): ExternalSpec {
  const filled = (text: string) => text.replaceAll(placeholder, learner);
  return { ...rest, kubeconfig: filled(kubeconfig), ...(context !== undefined && { context: filled(context) }) };
}
