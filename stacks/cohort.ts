import { availableParallelism } from "node:os";
import * as pulumi from "@pulumi/pulumi";
import pLimit from "p-limit";
import { Foundations } from "../components/cluster/foundations.ts";
import { gitHost } from "../git-hosts/hosts.ts";
import { LabHost } from "../components/lab-host.ts";
import { Learner } from "../components/learner.ts";
import { imageRegistry } from "../registries/registries.ts";
import { clusterProvider } from "../clusters/providers.ts";
import { CohortOutputs } from "../shared/outputs.ts";
import { pluginChoice } from "../tools/plugin-choice.ts";
import type { CohortPlan } from "./plan.ts";

/**
 * Creates the resources of a cohort and returns the stack's outputs, in the form of `CohortOutputs`. Learners do not
 * depend on each other: what happens to one leaves the rest as they are. They are begun some at a time (`atOnce`), and the
 * next one when one is whole or has failed.
 */
export async function createCohort(plan: CohortPlan): Promise<pulumi.Inputs> {
  const host = plan.needsHost
    ? new LabHost("lab-host", {
        cohort: plan.cohort,
        ports: plan.ports,
        limits: plan.limits,
        ...(plan.opening && { opening: plan.opening }),
        ...(plan.isolation === "room" && { isolation: plan.isolation }),
      })
    : undefined;
  const foundations = new Foundations();
  const { standIns, component } = gitHost(plan.git.kind);
  const git = (await component()).forCohort({ cohort: plan.cohort, settings: plan.git, learners: plan.learners.length });
  const kinds = [...new Set(plan.learners.map(({ cluster }) => cluster.kind))];
  const components = Object.fromEntries(await Promise.all(kinds.map(async (kind) => [kind, await clusterProvider(kind).component()])));
  const registry = await imageRegistry(plan.registry.kind).component();
  const learners: Learner[] = [];
  const limit = pLimit(plan.parallel ?? atOnce(plan));
  const attempts = plan.learners.map((learner) =>
    limit(async () => {
      const provider = components[learner.cluster.kind]!;
      const foundation = foundations.of(learner, provider);
      const made = new Learner(learner.learner.id, { plan: learner, host, provider, foundation, git, registry });
      learners.push(made);
      return (await isWhole(made)) ? [made] : [];
    }),
  );
  const whole = (await Promise.all(attempts)).flat();
  const outputs = {
    schemaVersion: 1 as const,
    cohort: plan.cohort,
    course: plan.course,
    template: plan.template,
    kubernetesPlugin: pluginChoice("kubernetes"),
    ...(standIns.includes("github") && { githubPlugin: pluginChoice("github") }),
    simulated: [...new Set(learners.flatMap(({ simulated }) => simulated))],
    learners: Object.fromEntries(whole.map((learner) => [learner.id, learner.outputs])),
  };
  // Parsed on the way out as on the way in: what does not fit the schema fails here, not at the readers. The outputs
  // themselves stay as they are, so that only the credentials among them are secret.
  pulumi.output(outputs).apply((value) => CohortOutputs.parse(value));
  return outputs;
}

/**
 * How many learners are brought up at the same time: those on this machine keep a core busy each, so more at once are no
 * faster and the first are ready last (docs/measurements.md). Clusters elsewhere cost this machine next to nothing.
 */
function atOnce({ learners }: CohortPlan): number {
  return learners.some(({ cluster }) => clusterProvider(cluster.kind).place.onThisMachine) ? Math.max(2, availableParallelism()) : 16;
}

/** Whether everything of a learner was made. With `--continue-on-error` the others' outputs are told without the failed ones'. */
async function isWhole({ outputs }: Learner): Promise<boolean> {
  const all = pulumi.output(outputs) as unknown as { promise(): Promise<unknown> };
  return all.promise().then(
    () => true,
    () => false,
  );
}
