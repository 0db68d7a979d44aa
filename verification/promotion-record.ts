import { z } from "zod";
import type { Environment } from "../shared/names.ts";
import { excerpt } from "../shared/printable.ts";
import { readYaml } from "../shared/yaml.ts";

/** What an environment is asked to run; the content of `promotion/<environment>.yaml`. */
export const PromotionRecord = z.strictObject({
  /** The tag under which the environment before runs the image. */
  tag: z.string(),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be sha256: and 64 hexadecimal digits"),
  /** Why. A promotion is carried out once; another note is another promotion of the same image. */
  note: z.string().optional(),
});
export type PromotionRecord = z.output<typeof PromotionRecord>;

export function recordPath(environment: Environment): string {
  return `promotion/${environment}.yaml`;
}

/** Where image automation proposes an environment's newest image; the pipeline takes from there what was asked for. */
export function proposalBranch(environment: Environment): string {
  return `image-updates/${environment}`;
}

/** The trailer in the message of a commit that carries out a promotion; its value is the promotion's commit. */
export const promotionTrailer = "Promotion";

/** The record in a file's text, or a clause that says what is wrong with it. */
export function parseRecord(text: string): { readonly record: PromotionRecord } | { readonly problem: string } {
  const yaml = readYaml(text);
  if ("problem" in yaml) return yaml;
  const parsed = PromotionRecord.safeParse(yaml.content);
  if (parsed.success) return { record: parsed.data };
  const problems = parsed.error.issues.map(({ path, message }) => (path.length > 0 ? `\`${path.join(".")}\`: ${message}` : message));
  return { problem: `must have \`tag\` and \`digest\`, and may have a \`note\`: ${excerpt(problems.join("; "), 400)}` };
}
