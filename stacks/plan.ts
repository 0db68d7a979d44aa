import type { GitSettings } from "../components/git/types.ts";
import type { RegistrySettings } from "../components/registry/types.ts";
import type { LearnerPlan } from "../components/learner.ts";
import type { PortRange } from "../host/ports.ts";
import { labTemplate } from "../lab-templates/templates.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortSpec } from "./cohort-spec.ts";

export interface CohortPlan {
  readonly cohort: string;
  readonly course: string;
  readonly template: string;
  readonly ports: PortRange;
  /** Whether pods run for real. */
  readonly nodes: "real" | "simulated";
  /** How many learners are brought up at the same time; undefined: what suits the machine. */
  readonly parallel: number | undefined;
  /** Time to live of the cohort, and of the learners who have one of their own, by id: `12h`, `14d` or `2w`. */
  readonly ttl: string;
  readonly learnerTtls: Readonly<Record<string, string>>;
  readonly git: GitSettings;
  readonly registry: RegistrySettings;
  readonly learners: readonly LearnerPlan[];
}

/**
 * Derives every name of a cohort. Pure: the same file gives the same plan. Throws LabError when the template refuses its
 * parameters.
 *
 * @param nodes how `cluster.nodes` was decided: stacks/nodes.ts
 */
export function planCohort(cohort: string, spec: CohortSpec, nodes: "real" | "simulated" = "simulated"): CohortPlan {
  const template = labTemplate(spec.template);
  const parsed = template.params.safeParse(spec.parameters);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `\`parameters.${issue.path.join(".")}\`: ${issue.message}`).join("; ");
    throw new LabError("parameters-invalid", `The template ${template.name} refuses the cohort's parameters: ${problems}. Nothing was created. docs/cohort-file.md lists them.`, {
      exitCode: ExitCode.badInput,
    });
  }
  return {
    cohort,
    course: spec.course,
    template: template.name,
    ports: spec.ports,
    nodes,
    parallel: spec.parallel,
    ttl: spec.ttl,
    learnerTtls: Object.fromEntries(spec.learners.flatMap(({ id, ttl }) => (ttl === undefined ? [] : [[id, ttl]]))),
    git: spec.git,
    registry: spec.registry,
    learners: spec.learners.map(({ id, name, email, github }) => ({
      cohort,
      learner: { id, name, email, github },
      cluster: { kind: spec.cluster.kind, nodes },
      git: { ...spec.git, repository: spec.git.kind === "github" ? `${cohort}-${id}` : "gitops", branch: "main" },
      registry: { ...spec.registry, image: "backend" },
      ports: spec.ports,
      template,
      parameters: parsed.data,
      releases: template.releases(parsed.data),
    })),
  };
}
