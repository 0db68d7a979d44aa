import { ExitCode, LabError } from "../shared/errors.ts";
import { gitopsPromotion } from "./gitops-promotion/template.ts";
import type { LabTemplate } from "./types.ts";

/** The labs by name. */
const templates: ReadonlyMap<string, LabTemplate> = new Map([gitopsPromotion].map((template) => [template.name, template as LabTemplate]));

/** The template of that name. Throws LabError `template-unknown` that lists the known ones. */
export function labTemplate(name: string): LabTemplate {
  const template = templates.get(name);
  if (template) return template;
  throw new LabError(
    "template-unknown",
    `\`template\` is "${name}"; known templates: ${[...templates.keys()].join(", ")}. Nothing was created. Correct the cohort file and run the command again.`,
    { exitCode: ExitCode.badInput },
  );
}
