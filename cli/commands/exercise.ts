import { withWorkbench } from "../../host/workbench/workbench.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import type { Exercise, LabTemplate } from "../../lab-templates/types.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { renderReports, toJson } from "../../verification/render.ts";
import type { CheckReport } from "../../verification/types.ts";
import { verdict } from "../../verification/verdict.ts";
import { observe, runChecks } from "../../verification/verify.ts";
import { changeRecord, readRecords, recordOf, type ExerciseRecord } from "../../records/exercises.ts";
import { selectLearner, selectLearners } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { duration, note, print, printJson } from "../terminal.ts";
import { exitCodeOf } from "../checklist.ts";

export interface ExerciseOptions {
  readonly cohort: string;
  readonly json: boolean;
}

type Options = Omit<ExerciseOptions, "cohort">;

/** Lists the exercises with what is recorded of them, for one learner or for all. Returns the exit code. */
export async function listExercises(learner: string | undefined, options: ExerciseOptions): Promise<number> {
  return listOf(await outputsOf(options), learner, options);
}

export async function listOf(outputs: CohortOutputs, id: string | undefined, { json }: Options): Promise<number> {
  const { exercises } = labTemplate(outputs.template);
  const learners = await Promise.all(
    selectLearners(outputs, id).map(async (learner) => ({ learner, records: await readRecords(outputs.cohort, learner.id) })),
  );
  if (json) {
    printJson({
      schemaVersion: 1,
      exercises: exercises.map(({ id: exercise, title, hints }) => ({ id: exercise, title, hints: hints.length })),
      learners: Object.fromEntries(learners.map(({ learner, records }) => [learner.id, { name: learner.name, records }])),
    });
    return ExitCode.ok;
  }
  const wide = Math.max(...exercises.map(({ id: exercise }) => exercise.length));
  for (const { learner, records } of learners) {
    print(`${learner.id} (${learner.name})`);
    for (const exercise of exercises)
      print(`  ${exercise.id.padEnd(wide)}  ${exercise.title}: ${summary(exercise, recordOf(records, exercise.id))}`);
  }
  return ExitCode.ok;
}

/** The first pass counts: what was shown once is not taken back by what happened in the lab later. */
function summary({ hints }: Exercise, record: ExerciseRecord): string {
  const passed = record.checks.find(({ status }) => status === "pass");
  const last = record.checks.at(-1);
  const state = passed ? `passed ${passed.time}` : last ? `${last.status} ${last.time}` : "not checked";
  const help = [
    record.hints.length > 0 ? `${record.hints.length} of ${hints.length} hints` : "",
    record.solved.length > 0 ? "solved by the reference solver" : "",
  ].filter(Boolean);
  return [state, ...help].join(", ");
}

/** Prints an exercise's instructions. */
export async function showExercise(exercise: string, options: ExerciseOptions): Promise<number> {
  const { id, title, instructions, hints } = selectExercise(labTemplate((await outputsOf(options)).template), exercise);
  if (options.json) printJson({ schemaVersion: 1, id, title, instructions, hints: hints.length });
  else print(`${title}\n\n${instructions}\n\n${hints.length} hints: \`./lab exercise hint ${id} <learner>\``);
  return ExitCode.ok;
}

/** Gives a learner the next hint and records that. After the last one, all are repeated. */
export async function hintExercise(exercise: string, learner: string, options: ExerciseOptions): Promise<number> {
  return hintOf(await outputsOf(options), exercise, learner, options);
}

export async function hintOf(outputs: CohortOutputs, exercise: string, id: string, { json }: Options): Promise<number> {
  const { id: name, hints } = selectExercise(labTemplate(outputs.template), exercise);
  const learner = selectLearner(outputs, id);
  const record = await changeRecord(outputs.cohort, learner.id, name, (before) =>
    before.hints.length < hints.length ? { ...before, hints: [...before.hints, new Date().toISOString()] } : before,
  );
  const given = hints.slice(0, record.hints.length);
  if (json) printJson({ schemaVersion: 1, exercise: name, learner: learner.id, hints: given, left: hints.length - given.length });
  else {
    print(given.map((hint, index) => `${index + 1}. ${hint}`).join("\n"));
    note(`${hints.length - given.length} more.`);
  }
  return ExitCode.ok;
}

/** Checks one exercise or all of a learner and records the results. Returns the exit code. */
export async function checkExercises(exercise: string | undefined, learner: string, options: ExerciseOptions): Promise<number> {
  return checkOf(await outputsOf(options), exercise, learner, options);
}

export async function checkOf(outputs: CohortOutputs, exercise: string | undefined, id: string, { json }: Options): Promise<number> {
  const template = labTemplate(outputs.template);
  const learner = selectLearner(outputs, id);
  const exercises = exercise === undefined ? template.exercises : [selectExercise(template, exercise)];
  const reports = await lookAt(learner, template, exercises);
  for (const report of reports) await record(outputs.cohort, learner.id, report);
  const results = [{ id: learner.id, name: learner.name, reports }];
  if (json) printJson(toJson(results));
  else process.stdout.write(renderReports(results, { colour: process.stdout.hasColors?.() === true && !process.env["NO_COLOR"] }));
  return exitCodeOf([verdict(reports)]);
}

async function lookAt(learner: LearnerOutputs, { environments }: LabTemplate, exercises: readonly Exercise[]): Promise<CheckReport[]> {
  const checks = exercises.map(({ id, title, check }) => ({ id, title, command: `./lab exercise check ${id} ${learner.id}`, run: check }));
  // Histories are read commit by commit.
  return observe(learner, environments, (context) => runChecks(checks, context), { timeoutSeconds: 60 });
}

async function record(cohort: string, learner: string, { id, observedAt, result }: CheckReport): Promise<void> {
  const says = result.status === "error" ? result.reason : result.observed;
  const waiting = result.status === "fail" && result.waitUntil !== undefined ? { waitUntil: result.waitUntil } : {};
  await changeRecord(cohort, learner, id, (before) => ({
    ...before,
    checks: [...before.checks, { time: observedAt, status: result.status, says, ...waiting }],
  }));
}

/** Solves one exercise, or all in an order that works, in a learner's place. Returns the exit code of the checks afterwards. */
export async function solveExercises(exercise: string | undefined, learner: string, options: ExerciseOptions): Promise<number> {
  const outputs = await outputsOf(options);
  const template = labTemplate(outputs.template);
  const who = selectLearner(outputs, learner);
  const chosen = exercise === undefined ? solvingOrder(template.exercises) : [selectExercise(template, exercise)];
  for (const { id, title, solve } of chosen) {
    const begun = Date.now();
    note(`${id}: ${title}`);
    await withWorkbench(outputs.cohort, who, template.environments, solve);
    note(`${id}: done in ${duration(Date.now() - begun)}.`);
    await changeRecord(outputs.cohort, who.id, id, (before) => ({ ...before, solved: [...before.solved, new Date().toISOString()] }));
  }
  return checkOf(outputs, exercise, learner, options);
}

/** A rollback last: it takes back what the others brought. */
export function solvingOrder(exercises: readonly Exercise[]): Exercise[] {
  return exercises.toSorted((one, other) => Number(one.id === "rollback") - Number(other.id === "rollback"));
}

/** Throws LabError `exercise-unknown` that lists the known ones. */
function selectExercise({ name, exercises }: LabTemplate, id: string): Exercise {
  const exercise = exercises.find((one) => one.id === id);
  if (exercise !== undefined) return exercise;
  throw new LabError(
    "exercise-unknown",
    `The template ${name} has no exercise "${id}". Its exercises: ${exercises.map((one) => one.id).join(", ")}. \`./lab exercise list\` tells more of them.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}

const outputsOf = ({ cohort }: ExerciseOptions) => readOutputs(parseCohortName(cohort));
