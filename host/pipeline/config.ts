import { z } from "zod";
import { environments } from "../../shared/names.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { copyOf, readState, writeState } from "../../shared/state-file.ts";
import { removeOwned } from "../../ledger/ownership.ts";

/** What the pipeline of a learner needs to know of the lab. Kept in a file of mode 0600, for it holds credentials. */
export const PipelineConfig = z.object({
  /** Name of the repository on the lab host. */
  repository: z.string(),
  /** In the order of promotion. */
  environments: z.array(z.enum(environments)),
  /** cluster-admin, as YAML. */
  kubeconfig: z.string(),
  registry: z.object({
    repository: z.string(),
    username: z.string(),
    password: z.string(),
    insecure: z.boolean(),
    local: z.string().optional(),
  }),
});
export type PipelineConfig = z.output<typeof PipelineConfig>;

/** Undefined before the learner's cluster is there. */
export async function readPipelineConfig(cohort: string, learner: string): Promise<PipelineConfig | undefined> {
  const remedy = `Run \`./lab reset ${learner} --cohort ${cohort}\`, which keeps a backup.`;
  return readState(cohortPaths(cohort).learner(learner).pipeline, PipelineConfig, {
    what: `The configuration of the pipeline of ${learner}`,
    remedy,
  });
}

export async function writePipelineConfig(cohort: string, learner: string, config: PipelineConfig): Promise<void> {
  await writeState(cohortPaths(cohort).learner(learner).pipeline, JSON.stringify(config));
}

export async function removePipelineConfig(cohort: string, learner: string): Promise<void> {
  const paths = cohortPaths(cohort);
  const { pipeline } = paths.learner(learner);
  for (const file of [pipeline, copyOf(pipeline)]) await removeOwned(paths, file);
}
