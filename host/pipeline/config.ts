import { z } from "zod";
import { environments } from "../../shared/names.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { readIfExists, writePrivateFile } from "../../shared/private-files.ts";
import { removeOwned } from "../inventory/ownership.ts";

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
  const text = await readIfExists(cohortPaths(cohort).learner(learner).pipeline);
  return text === undefined ? undefined : PipelineConfig.parse(JSON.parse(text));
}

export async function writePipelineConfig(cohort: string, learner: string, config: PipelineConfig): Promise<void> {
  await writePrivateFile(cohortPaths(cohort).learner(learner).pipeline, JSON.stringify(config));
}

export async function removePipelineConfig(cohort: string, learner: string): Promise<void> {
  await removeOwned(cohort, cohortPaths(cohort).learner(learner).pipeline);
}
