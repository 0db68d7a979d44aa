import { ExitCode, LabError } from "../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../shared/outputs.ts";

/** The learner of that id, or all when none is given. Throws LabError `learner-unknown` that lists the known ones. */
export function selectLearners(outputs: CohortOutputs, id: string | undefined): LearnerOutputs[] {
  return id === undefined ? Object.values(outputs.learners) : [selectLearner(outputs, id)];
}

/** The learner of that id. Throws LabError `learner-unknown` that lists the known ones. */
export function selectLearner({ cohort, learners }: CohortOutputs, id: string): LearnerOutputs {
  const learner = Object.hasOwn(learners, id) ? learners[id] : undefined;
  if (learner !== undefined) return learner;
  throw new LabError("learner-unknown", `Cohort ${cohort} has no learner "${id}". Its learners: ${Object.keys(learners).join(", ")}.`, {
    exitCode: ExitCode.badInput,
  });
}
