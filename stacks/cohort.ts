import * as pulumi from "@pulumi/pulumi";
import { readFluxCrds } from "../components/flux/crds.ts";
import { gitHost } from "../components/git/hosts.ts";
import { LabHost } from "../components/lab-host.ts";
import { Learner } from "../components/learner.ts";
import { CohortOutputs } from "../shared/outputs.ts";
import { pluginChoice } from "../tools/plugin-choice.ts";
import { preflightGit } from "./git-preflight.ts";
import type { CohortPlan } from "./plan.ts";

/**
 * Creates the resources of a cohort and returns the stack's outputs, in the form of `CohortOutputs`. Learners do not
 * depend on each other: what happens to one leaves the rest as they are.
 */
export async function createCohort(plan: CohortPlan): Promise<pulumi.Inputs> {
  await preflightGit(plan);
  const crds = await readFluxCrds();
  const host = new LabHost("lab-host", { cohort: plan.cohort, ports: plan.ports });
  const git = gitHost(plan.git.kind).forCohort({ cohort: plan.cohort, settings: plan.git, learners: plan.learners.length });
  const learners = plan.learners.map((learner) => new Learner(learner.learner.id, { plan: learner, host, git, crds }));
  const whole = (await Promise.all(learners.map(async (learner) => ((await isWhole(learner)) ? [learner] : [])))).flat();
  const outputs = {
    schemaVersion: 1 as const,
    cohort: plan.cohort,
    course: plan.course,
    template: plan.template,
    kubernetesPlugin: pluginChoice("kubernetes"),
    ...(plan.git.kind === "github" && { githubPlugin: pluginChoice("github") }),
    simulated: [...new Set(learners.flatMap(({ simulated }) => simulated))],
    learners: Object.fromEntries(whole.map((learner) => [learner.id, learner.outputs])),
  };
  // Parsed on the way out as on the way in: what does not fit the schema fails here, not at the readers. The outputs
  // themselves stay as they are, so that only the credentials among them are secret.
  pulumi.output(outputs).apply((value) => CohortOutputs.parse(value));
  return outputs;
}

/** Whether everything of a learner was made. With `--continue-on-error` the others' outputs are told without the failed ones'. */
async function isWhole({ outputs }: Learner): Promise<boolean> {
  const all = pulumi.output(outputs) as unknown as { promise(): Promise<unknown> };
  return all.promise().then(
    () => true,
    () => false,
  );
}
