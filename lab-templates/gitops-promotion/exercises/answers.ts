import { z } from "zod";
import { excerpt } from "../../../shared/printable.ts";
import { readYaml } from "../../../shared/yaml.ts";
import type { CheckContext, CheckResult } from "../../../verification/types.ts";

/** What was written in an answer's place, as text; empty where nothing was. YAML makes numbers and booleans of some answers. */
export const Answer = z
  .union([z.string(), z.number(), z.boolean(), z.null()])
  .default("")
  .transform((value) => (value === null ? "" : value === true ? "yes" : value === false ? "no" : String(value).trim()));

/** The answers in a file at the branch's tip, or a clause that says what is wrong with the file. */
export async function readAnswers<T>(
  { git }: CheckContext,
  path: string,
  schema: z.ZodType<T>,
): Promise<{ readonly answers: T } | { readonly problem: string }> {
  const text = await git.readFile(await git.head(), path);
  if (text === undefined) return { problem: `${path} is not on the branch. Put it back: the first commit has it.` };
  const yaml = readYaml(text);
  if ("problem" in yaml) return { problem: `${path} ${yaml.problem}. An answer with signs such as { or : needs quotes.` };
  const parsed = schema.safeParse(yaml.content);
  if (parsed.success) return { answers: parsed.data };
  const places = parsed.error.issues.map((issue) => `\`${issue.path.join(".")}\`: ${issue.message}`);
  return { problem: `${path} does not have the form that it was given with: ${excerpt(places.join("; "), 800)}` };
}

/** A verdict from a list of what is wrong, a sentence each. */
export function judge(
  problems: readonly string[],
  { expected, hint, observed }: { readonly expected: string; readonly hint: string; readonly observed: string },
): CheckResult {
  if (problems.length === 0) return { status: "pass", basis: "live", observed };
  return { status: "fail", basis: "live", expected, observed: problems.join("\n"), hint };
}
