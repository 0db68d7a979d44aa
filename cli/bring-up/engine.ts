import { LabError } from "../../shared/errors.ts";
import { LastRunRecord } from "../last-run.ts";
import { noteVersion } from "../made-by.ts";
import { stateFailure } from "../state/failures.ts";
import { duration, note } from "../terminal.ts";
import { written, type Run } from "./run.ts";

/** Notes of each learner that the run is about that it is not finished, so that a killed run leaves this. */
export async function beginRecord(run: Run): Promise<void> {
  const { paths, options, about, paused, roster } = run;
  run.record = await LastRunRecord.begin(
    paths,
    options.command,
    about.filter((learner) => !paused.includes(learner)),
    roster,
  );
}

/** Has the engine make what the plan says. A learner's failure is told and stops nobody else; throws where nobody's is known. */
export async function runEngine(run: Run): Promise<void> {
  const { about, scope, paths } = run;
  const { cohort } = run.plan;
  try {
    note(
      `Bringing up cohort ${cohort}: ${about.length} ${about.length === 1 ? "learner" : "learners"}${scope !== undefined && "target" in scope ? `, ${about.join(", ")}, and nobody else` : ""}.`,
    );
    run.interrupt.check();
    await engineUp(run).catch((error: unknown) => tellFailures(run, error));
  } finally {
    await (await import("../stack.ts")).cleanUpAfterEngine(written(run, "stack"), paths);
    // A full disk has its own error by now.
    await noteVersion(paths).catch(() => undefined);
  }
}

async function engineUp(run: Run): Promise<void> {
  const { about, options, scope, reporter, interrupt } = run;
  const stack = written(run, "stack");
  await reporter.engine((onEvent) =>
    stack.up({
      onEvent,
      color: "never",
      continueOnError: true,
      signal: interrupt.signal,
      ...(options.parallel !== undefined && { parallel: options.parallel }),
      ...scope,
    }),
  );
  for (const id of about) reporter.learnerDone(id);
  const changes = Object.entries(reporter.changes).map(([op, count]) => `${count} ${op}`);
  note(`${changes.length === 0 ? "0 changes" : changes.join(", ")}, in ${duration(Date.now() - reporter.startedAt)}.`);
}

async function tellFailures({ plan: { cohort }, options, about, reporter, interrupt }: Run, error: unknown): Promise<void> {
  interrupt.check();
  if (reporter.failures.size === 0) {
    const aboutState = await stateFailure(cohort, error);
    const cause = aboutState?.message ?? reporter.causes(error);
    for (const id of about) reporter.learnerFailed(id, cause);
    throw (
      aboutState ??
      new LabError(
        "up-failed",
        `Cohort ${cohort} did not come up. ${cause} Run \`./lab ${options.command} ${cohort}\` again: what is there already stays.`,
        { cause: error },
      )
    );
  }
  for (const { learner, result } of reporter.outcomes)
    if (result === "unfinished")
      reporter.learnerFailed(learner, reporter.errors.join(" ") || "The engine ended before all of it was made.");
}
