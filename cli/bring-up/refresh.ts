import { halfRotated } from "../../clusters/upkeep.ts";
import { LabError } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { noteUncertain } from "../cloud-things.ts";
import { deleteUnreachable, mustGiveUpLost } from "../lost-clusters.ts";
import { outputsInState } from "../outputs.ts";
import { phases } from "../progress/steps.ts";
import { stateFailure } from "../state/failures.ts";
import { note } from "../terminal.ts";
import { typePath } from "../../shared/urn.ts";
import { needsRefresh } from "./needs-refresh.ts";
import { written, type Run } from "./run.ts";

/* A run has begun to tell of itself before it needs the stack. */
const loadStack = () => import("../stack.ts");

/** Reads what Pulumi's state knows of the cohort. */
export async function readWhatIs(run: Run): Promise<void> {
  const { readState } = await loadStack();
  run.state = await run.interrupt.orEnd(readState(written(run, "stack")));
}

/** Makes the state true where it may not be: Pulumi looks at what there is of the learners whom the run may look at. */
export async function refreshWhereDoubtful(run: Run): Promise<void> {
  const { reporter, interrupt } = run;
  const [stack, state] = [written(run, "stack"), written(run, "state")];
  if (state.learners.size === 0 && !state.isPending) return;
  const learners = await handedOver(stack.name);
  const { lastSucceeded } = await loadStack();
  if (!(await needsRefresh(stack.name, { succeeded: await lastSucceeded(stack), state, learners }))) return;
  interrupt.check();
  note("The last run did not finish, or part of the cohort is gone: looking at what there is.");
  // With the credential that the state has, its objects can't be looked at: `up` will use the new one, and take them over.
  const locked = urnsOf(run, await halfRotated(stack.name, learners)).filter((urn) => /[:$]kubernetes:/.test(typePath(urn)));
  const some = onlyThese(run);
  const target = some && urnsOf(run, some).filter((urn) => !locked.includes(urn));
  const passedOver = [...urnsOf(run, run.paused), ...locked];
  const looked = target ? { target } : passedOver.length > 0 ? { exclude: passedOver } : {};
  await noteUncertain(stack);
  if (target?.length === 0) return;
  const { envVars } = stack.workspace;
  if (await mustGiveUpLost(stack.name, state)) envVars[deleteUnreachable] = "true";
  await reporter
    .phase(phases.refresh, () =>
      stack.refresh({ onEvent: reporter.errorsOnly, color: "never", clearPendingCreates: true, signal: interrupt.signal, ...looked }),
    )
    .finally(() => delete envVars[deleteUnreachable])
    .catch(async (error: unknown) => {
      interrupt.check();
      throw (
        (await stateFailure(stack.name, error)) ??
        new LabError(
          "refresh-failed",
          `What there is of cohort ${stack.name} could not be looked at. ${reporter.causes(error)} Run the command again.`,
          { cause: error },
        )
      );
    });
}

/** The learners that the last run handed over. */
async function handedOver(cohort: string): Promise<LearnerOutputs[]> {
  return Object.values(((await outputsInState(cohort))?.["learners"] ?? {}) as CohortOutputs["learners"]);
}

/** Says what the engine is to work on: those whom the run is about, and nobody who is paused. */
export async function chooseScope(run: Run): Promise<void> {
  const some = onlyThese(run);
  const exclude = urnsOf(run, run.paused);
  if (some !== undefined) {
    const { learnerUrn } = await loadStack();
    run.scope = { target: some.map((learner) => learnerUrn(run.plan.cohort, learner)), targetDependents: true };
  } else run.scope = exclude.length > 0 ? { exclude, excludeDependents: true } : undefined;
}

/** The only learners to work on; undefined where it is everybody. */
function onlyThese(run: Run): readonly string[] | undefined {
  const { options, paused } = run;
  // Nobody can be up where what all stand on is missing: then there is nobody to leave alone.
  return written(run, "state").hasHost ? options.only?.filter((learner) => !paused.includes(learner)) : undefined;
}

function urnsOf(run: Run, learners: readonly string[]): string[] {
  return learners.flatMap((learner) => written(run, "state").learners.get(learner) ?? []);
}
