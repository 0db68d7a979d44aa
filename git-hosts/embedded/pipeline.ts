import type { Environment } from "../../shared/names.ts";
import { settlePipeline } from "../../host/processes/client.ts";
import type { Driver } from "../../host/driver.ts";
import { ownership } from "../../ledger/ownership.ts";
import type { RepositoryAccess } from "../../host/images/crane.ts";
import { readPipelineConfig, removePipelineConfig, writePipelineConfig } from "../../host/pipeline/config.ts";
import { partsOf } from "../../host/driver.ts";
import { cohortPaths } from "../../shared/paths.ts";

export interface PipelineInput {
  readonly cohort: string;
  readonly learner: string;
  /** Name of the repository on the lab host that it serves. */
  readonly repository: string;
  /** In the order of promotion. */
  readonly environments: readonly Environment[];
  readonly kubeconfig: string;
  readonly registry: RepositoryAccess;
}

export interface PipelineOutput {
  readonly cohort: string;
  readonly learner: string;
}

/** The delivery pipeline beside an embedded Git repository; the lab daemon runs it, see host/pipeline. */
export const pipeline: Driver<PipelineInput, PipelineOutput, "pipeline"> = {
  name: "pipeline",
  replaceOn: ["cohort", "learner"],

  async ensure({ cohort, learner, repository, environments, kubeconfig, registry }) {
    await writePipelineConfig(cohort, learner, { repository, environments: [...environments], kubeconfig, registry });
    await settlePipeline(cohortPaths(cohort), learner);
    return { id: `${cohort}/${learner}/pipeline`, output: { cohort, learner } };
  },

  async read(id, output) {
    const [cohort, learner] = partsOf(id);
    return (await readPipelineConfig(cohort, learner)) === undefined ? undefined : output;
  },

  async remove(id) {
    const [cohort, learner] = partsOf(id);
    if ((await ownership(cohortPaths(cohort))) !== "foreign") await removePipelineConfig(cohort, learner);
  },
};
