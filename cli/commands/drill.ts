import { withWorkbench } from "../../host/workbench/workbench.ts";
import { requireHealthy, restoreSnapshot, takeSnapshot } from "../../host/workbench/snapshot.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import type { Drill, LabTemplate } from "../../lab-templates/types.ts";
import type { Backstage } from "../../lab-templates/workbench.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs, LearnerOutputs } from "../../shared/outputs.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { renderReports } from "../../verification/render.ts";
import type { CheckResult } from "../../verification/types.ts";
import { verdict } from "../../verification/verdict.ts";
import { observe, runChecks } from "../../verification/verify.ts";
import { changeRunning, changeRuns, readRuns, runningOf, type DrillRun } from "../../records/drills.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { duration, note, print, printJson } from "../terminal.ts";
import { exitCodeOf } from "../checklist.ts";
import { cohortOption } from "../which-cohort.ts";

export type DrillAction = "start" | "hint" | "check" | "solve" | "reset";

export interface DrillOptions {
  readonly cohort: string;
  readonly json: boolean;
}

/** How long a reset may take: three environments, one after the other, on a busy machine. */
const resetSeconds = 180;

/** Lists the drills of a cohort's template. Returns the exit code. */
export async function listDrills({ cohort, json }: DrillOptions): Promise<number> {
  const { drills } = labTemplate((await readOutputs(parseCohortName(cohort))).template);
  if (json) printJson({ schemaVersion: 1, drills: drills.map(({ id, title, hints }) => ({ id, title, hints: hints.length })) });
  else for (const { id, title } of drills) print(`${id.padEnd(Math.max(...drills.map((drill) => drill.id.length)))}  ${title}`);
  return ExitCode.ok;
}

/** One drill of one learner. */
interface Subject {
  readonly cohort: string;
  readonly learner: LearnerOutputs;
  readonly template: LabTemplate;
  readonly drill: Drill;
  readonly json: boolean;
  readonly bench: <T>(use: (bench: Backstage) => Promise<T>) => Promise<T>;
}

/** Does one thing with a drill of a learner. Returns the exit code. */
export async function drill(action: DrillAction, id: string, learnerId: string, { cohort, json }: DrillOptions): Promise<number> {
  return drillCohort(await readOutputs(parseCohortName(cohort)), action, id, learnerId, json);
}

export async function drillCohort(
  outputs: CohortOutputs,
  action: DrillAction,
  id: string,
  learnerId: string,
  json: boolean,
): Promise<number> {
  return { start, hint, check, solve, reset }[action](subjectOf(outputs, id, learnerId, json));
}

/** Starts a drill of a learner and tells of its progress alone; without a word of it on standard output. */
export async function startDrill(outputs: CohortOutputs, id: string, learnerId: string): Promise<void> {
  await begin(subjectOf(outputs, id, learnerId, false));
}

function subjectOf(outputs: CohortOutputs, id: string, learnerId: string, json: boolean): Subject {
  const { cohort } = outputs;
  const template = labTemplate(outputs.template);
  const found = template.drills.find((one) => one.id === id);
  if (found === undefined) {
    throw new LabError("drill-unknown", `There is no drill "${id}". The drills: ${template.drills.map((one) => one.id).join(", ")}.`, {
      exitCode: ExitCode.badInput,
    });
  }
  const learner = selectLearner(outputs, learnerId);
  return { cohort, learner, template, drill: found, json, bench: (use) => withWorkbench(cohort, learner, template.environments, use) };
}

async function start(subject: Subject): Promise<number> {
  await begin(subject);
  const { learner, drill, json } = subject;
  if (json) printJson({ schemaVersion: 1, learner: learner.id, drill: drill.id, title: drill.title, briefing: drill.briefing });
  else
    print(
      `${drill.title}\n\n${drill.briefing}\n\nA hint: \`${command("hint", subject)}\`. When it is done: \`${command("check", subject)}\`.`,
    );
  return ExitCode.ok;
}

async function begin(subject: Subject): Promise<void> {
  const { cohort, learner, template, drill } = subject;
  requireNone(subject, runningOf(await readRuns(cohort, learner.id)));
  const began = Date.now();
  await subject.bench(async (bench) => {
    note(`Looking whether the lab of ${learner.id} is well.`);
    await requireHealthy(bench, template.evidence, 10);
    const snapshot = await takeSnapshot(bench);
    const run: DrillRun = { drill: drill.id, startedAt: new Date().toISOString(), snapshot, hints: [], checks: [] };
    await changeRuns(cohort, learner.id, (runs) => {
      requireNone(subject, runningOf(runs));
      return [...runs, run];
    });
    note(`Starting the drill ${drill.id}.`);
    try {
      await drill.start(bench);
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      throw new LabError(
        "drill-not-started",
        `The drill ${drill.id} did not start as it should. ${error.message} Then run \`${command("reset", subject)}\`, which brings back the state from before.`,
        { cause: error, exitCode: error.exitCode },
      );
    }
  });
  note(`Started, in ${duration(Date.now() - began)}.`);
}

async function hint(subject: Subject): Promise<number> {
  const { cohort, learner, drill, json } = subject;
  const { hints } = await requireRunning(subject);
  const number = Math.min(hints.length + 1, drill.hints.length);
  if (hints.length < drill.hints.length)
    await changeRunning(cohort, learner.id, (run) => ({ ...run, hints: [...run.hints, new Date().toISOString()] }));
  else note("That was the last hint; here it is again.");
  const text = drill.hints[number - 1] ?? "";
  if (json) printJson({ schemaVersion: 1, learner: learner.id, drill: drill.id, number, of: drill.hints.length, hint: text });
  else print(`Hint ${number} of ${drill.hints.length}: ${text}`);
  return ExitCode.ok;
}

async function check(subject: Subject): Promise<number> {
  const { cohort, learner, template, drill, json } = subject;
  const { startedAt } = await requireRunning(subject);
  const asked = {
    id: drill.id,
    title: drill.title,
    command: command("check", subject),
    run: (context: Parameters<Drill["check"]>[0]) => drill.check(context, new Date(startedAt)),
  };
  const reports = await observe(learner, template.environments, (context) => runChecks([asked], context));
  const at = new Date().toISOString();
  for (const { result } of reports) {
    await changeRunning(cohort, learner.id, (run) => ({
      ...run,
      checks: [
        ...run.checks,
        {
          at,
          status: result.status,
          says: sayingOf(result),
          ...(result.status === "fail" && result.waitUntil !== undefined && { waitUntil: result.waitUntil }),
        },
      ],
      ...(result.status === "pass" && run.solvedAt === undefined ? { solvedAt: at } : {}),
    }));
  }
  if (json) printJson({ schemaVersion: 1, learner: learner.id, drill: drill.id, verdict: verdict(reports), reports });
  else
    process.stdout.write(
      renderReports([{ id: learner.id, name: learner.name, reports }], {
        colour: process.stdout.hasColors?.() === true && !process.env["NO_COLOR"],
      }),
    );
  return exitCodeOf([verdict(reports)]);
}

function sayingOf(result: CheckResult): string {
  return result.status === "error" ? result.reason : result.observed;
}

async function solve(subject: Subject): Promise<number> {
  const { cohort, learner, drill, json } = subject;
  await requireRunning(subject);
  const began = Date.now();
  note(`Solving the drill ${drill.id} with the credentials of ${learner.id}.`);
  await changeRunning(cohort, learner.id, (run) => ({ ...run, solverAt: new Date().toISOString() }));
  await subject.bench((bench) => drill.solve(bench));
  note(`Done, in ${duration(Date.now() - began)}. Flux may still be at work: \`${command("check", subject)}\`.`);
  if (json) printJson({ schemaVersion: 1, learner: learner.id, drill: drill.id });
  return ExitCode.ok;
}

async function reset(subject: Subject): Promise<number> {
  const { cohort, learner, template, drill, json } = subject;
  const { snapshot } = await requireRunning(subject);
  const began = Date.now();
  note(`Bringing the lab of ${learner.id} back to its state of ${snapshot.at}.`);
  await subject.bench((bench) =>
    restoreSnapshot(bench, snapshot, {
      message: `Reset after drill ${drill.id}`,
      evidence: template.evidence,
      timeoutSeconds: resetSeconds,
    }),
  );
  await changeRunning(cohort, learner.id, (run) => ({ ...run, resetAt: new Date().toISOString() }));
  note(`Reset, in ${duration(Date.now() - began)}. Work since the start of the drill is in the history of the branch.`);
  if (json) printJson({ schemaVersion: 1, learner: learner.id, drill: drill.id, snapshot: { at: snapshot.at, commit: snapshot.commit } });
  return ExitCode.ok;
}

async function requireRunning(subject: Subject): Promise<DrillRun> {
  const { cohort, learner, drill } = subject;
  const running = runningOf(await readRuns(cohort, learner.id));
  if (running?.drill === drill.id) return running;
  const instead = running === undefined ? "No drill is running." : `Running is ${running.drill}.`;
  throw new LabError(
    "drill-not-running",
    `The drill ${drill.id} is not running for learner ${learner.id}. ${instead} Start it with \`${command("start", subject)}\`.`,
    { exitCode: ExitCode.badInput },
  );
}

function requireNone(subject: Subject, running: DrillRun | undefined): void {
  if (running === undefined) return;
  throw new LabError(
    "drill-running",
    `The drill ${running.drill} is running for learner ${subject.learner.id} since ${running.startedAt}, and only one does at a time. End it with \`${command("reset", subject, running.drill)}\`.`,
    { exitCode: ExitCode.badInput },
  );
}

const command = (action: DrillAction, { cohort, learner, drill }: Subject, id = drill.id) =>
  `./lab drill ${action} ${id} ${learner.id}${cohortOption(cohort)}`;
