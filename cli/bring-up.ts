import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { isDaemonCurrent, isDaemonUp, processStatus, startDaemon } from "../host/daemon/client.ts";
import { readDaemonConfig } from "../host/daemon/config.ts";
import { startKindClusters } from "../host/drivers/kind-cluster.ts";
import { removeOtherLearners } from "../host/drivers/lab-host.ts";
import { readInventory } from "../host/inventory/inventory.ts";
import { forgetCutShort } from "../host/inventory/orphans.ts";
import { containersOf } from "../host/kind/cli.ts";
import { kindName } from "../host/kind/config.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { tokenEnd } from "../shared/kubeconfig.ts";
import type { CohortOutputs, LearnerOutputs } from "../shared/outputs.ts";
import { cohortPaths } from "../shared/paths.ts";
import { readIfExists } from "../shared/private-files.ts";
import { dropAbandonedScratch } from "../shared/scratch.ts";
import { isolationLines, lookAgain, requireRooms } from "../stacks/isolation.ts";
import type { CohortPlan } from "../stacks/plan.ts";
import { fluxControllerNames } from "../tools/manifest.ts";
import { verdict } from "../verification/verdict.ts";
import { costsOf } from "./capacity/costs.ts";
import { cloudRemedy } from "./cloud-failures.ts";
import { noteUncertain } from "./cloud-things.ts";
import { installTools } from "./tools.ts";
import { arrivals, backUp, hasWork, leavers, leaversSentence } from "./course/backup.ts";
import { requireGithub } from "./github.ts";
import { interruptible, interruptionTeller, type Interrupt } from "./interrupt.ts";
import { LastRunRecord } from "./last-run.ts";
import { deleteUnreachable, mustGiveUpLost } from "./lost-clusters.ts";
import { noteVersion, requireNotNewer } from "./made-by.ts";
import { readOutputs } from "./outputs.ts";
import { chooseDisplay } from "./progress/displays.ts";
import type { LearnerOutcome } from "./progress/events.ts";
import { RunReporter } from "./progress/reporter.ts";
import { phases } from "./progress/steps.ts";
import { pausedIn } from "./paused.ts";
import { requireProviders } from "./providers.ts";
import { settleLearner, whileRunning } from "./receipts.ts";
import type { StateSummary } from "./stack.ts";
import { stateFailure } from "./state/failures.ts";
import { renderSummary } from "./summary.ts";
import { duration, note, paint, print } from "./terminal.ts";
import { typePath } from "./urn.ts";
import { cohortOption } from "./which-cohort.ts";

/* Pulumi's library and the checks take seconds to load on a busy machine: a run has begun to tell of itself by then. */
const loadStack = () => import("./stack.ts");
const loadChecklist = () => import("./checklist.ts");

export interface BringUpOptions {
  readonly command: "up" | "retry";
  /** Only these learners; the others' resources are left as they are. */
  readonly only?: readonly string[];
  /** Events for programs on standard output instead of results for people. */
  readonly json: boolean;
  /** How many resources the engine works on at once; its own choice where it is not given. */
  readonly parallel?: number | undefined;
  /** Seconds it takes by earlier measurements. */
  readonly expectedSeconds: number;
}

/**
 * Brings a cohort, or some of its learners, to what its file says, and proves it. A learner's failure stops nobody else.
 * Ends in order on a signal. Returns the exit code.
 */
export async function bringUp(plan: CohortPlan, options: BringUpOptions): Promise<number> {
  const { cohort } = plan;
  const { command, json } = options;
  const roster = plan.learners.map(({ learner }) => learner.id);
  const about = options.only ?? roster;
  let record: LastRunRecord | undefined;
  let paused: readonly string[] = [];
  const reporter = new RunReporter({
    command,
    cohort,
    learners: about,
    others: [...roster, ...(await readdir(join(cohortPaths(cohort).root, "learners")).catch(() => []))],
    typical: costsOf(plan).steps,
    expectedSeconds: options.expectedSeconds,
    display: chooseDisplay(json, about),
    onLearner: ({ learner, result, cause }) =>
      paused.includes(learner) ||
      record?.note(learner, {
        result: result === "up" ? "up" : "failed",
        command,
        at: new Date().toISOString(),
        ...(cause !== null && { cause }),
      }),
  });
  const resume = `./lab ${command} ${cohort}`;
  try {
    const work = async (interrupt: Interrupt) => {
      const stack = await prepare(plan, reporter, interrupt);
      if (options.only === undefined) await keepOfLeavers(cohort, roster);
      paused = (await pausedIn(cohort)).filter((learner) => roster.includes(learner));
      for (const learner of paused)
        note(
          `${paint("yellow", learner, process.stderr)} is paused and left as is; \`./lab resume ${learner}${cohortOption(cohort)}\` brings the lab back.`,
        );
      if (paused.length > 0) await requireOpenedAlready(plan, paused);
      const scope = await refreshIfNeeded(stack, options.only, paused, reporter, interrupt);
      record = await LastRunRecord.begin(
        cohort,
        command,
        about.filter((learner) => !paused.includes(learner)),
        roster,
      );
      try {
        await runEngine(stack, about, scope, options, reporter, interrupt);
      } finally {
        await (await loadStack()).cleanUpAfterEngine(stack);
        // A full disk has its own error by now.
        await noteVersion(cohort).catch(() => undefined);
      }
      const left =
        options.only === undefined
          ? await interrupt.orEnd(removeLeavers(stack, new Set(roster), new Date(reporter.startedAt)))
          : ExitCode.ok;
      return conclude(cohort, about, left, json, reporter, interrupt);
    };
    const exitCode = await whileRunning(cohort, command, () =>
      interruptible({ cohort, resume, onSignal: interruptionTeller(reporter) }, work),
    );
    // What they began is finished by now.
    if (exitCode === ExitCode.ok && options.only === undefined) {
      await forgetCutShort(cohort);
      await dropAbandonedScratch();
    }
    return exitCode;
  } catch (thrown) {
    const error = (await stateFailure(cohort, thrown)) ?? thrown;
    reporter.failed(error);
    throw error;
  } finally {
    reporter.close();
    await record?.written();
  }
}

/** Installs tools, starts what was stopped and opens the stack. */
async function prepare(plan: CohortPlan, reporter: RunReporter, interrupt: Interrupt): Promise<Stack> {
  const { cohort } = plan;
  await requireNotNewer(cohort);
  await interrupt.orEnd(reporter.tools((onProgress) => installTools(plan, onProgress)));
  await requireProviders(plan);
  await tellIsolation(plan);
  if ((await readDaemonConfig(cohort)) !== undefined && !(await isDaemonCurrent(cohort))) {
    const state = (await isDaemonUp(cohort)) ? "whose daemon is of another version" : "which were not running";
    note(`Starting the processes of cohort ${cohort}, ${state}.`);
    await interrupt.orEnd(reporter.phase(phases.processes, () => startDaemon(cohort)));
  }
  if (plan.learners.some(({ cluster }) => cluster.kind === "kind")) await interrupt.orEnd(startKindClusters(cohort, note));
  return interrupt.orEnd(
    reporter.phase(phases.stack, async () => {
      const stack = await (await loadStack()).openStack(cohort);
      await requireGithub(plan, stack);
      return stack;
    }),
  );
}

/** Tells how the learners are kept apart, by the program that does it. Throws LabError (exit code 2) where they must be and can't. */
async function tellIsolation(before: CohortPlan): Promise<void> {
  const plan = await lookAgain(before);
  requireRooms(plan);
  for (const { text, isWarning } of isolationLines(plan)) if (isWarning) note(paint("yellow", text, process.stderr));
}

/** Throws LabError (exit code 2) where a cohort is to be opened that was not: who is paused could not be told how to reach it. */
async function requireOpenedAlready({ cohort, opening }: CohortPlan, paused: readonly string[]): Promise<void> {
  if (opening === undefined || (await readDaemonConfig(cohort))?.opening !== undefined) return;
  throw new LabError(
    "opening-paused",
    `\`access\` in the cohort file opens cohort ${cohort}, and ${paused.join(", ")} can't be opened while paused. Nothing was changed. Bring each back with \`./lab resume <learner> --cohort ${cohort}\`, run \`./lab up ${cohort}\`, then pause them again.`,
    {
      exitCode: ExitCode.badInput,
    },
  );
}

/** What the engine is to work on, by URN: everything without either. */
type Scope =
  | { readonly target: string[]; readonly targetDependents: true }
  | { readonly exclude: string[]; readonly excludeDependents: true }
  | undefined;

/**
 * Makes the state true where it may not be. Returns what the engine is to work on.
 *
 * @param paused learners nothing of whom answers, and who are to stay as they are
 */
async function refreshIfNeeded(
  stack: Stack,
  only: readonly string[] | undefined,
  paused: readonly string[],
  reporter: RunReporter,
  interrupt: Interrupt,
): Promise<Scope> {
  const { learnerUrn, readState } = await loadStack();
  const state = await interrupt.orEnd(readState(stack));
  // Nobody can be up where what all stand on is missing: then there is nobody to leave alone.
  const some = only !== undefined && state.hasHost ? only.filter((learner) => !paused.includes(learner)) : undefined;
  const urnsOf = (learners: readonly string[]) => learners.flatMap((learner) => state.learners.get(learner) ?? []);
  const exclude = urnsOf(paused);
  if (await needsRefresh(stack, state)) {
    interrupt.check();
    note("The last run did not finish, or part of the cohort is gone: looking at what there is.");
    // With the credential that the state has, its objects can't be looked at: `up` will use the new one, and take them over.
    const locked = urnsOf(await rotating(stack)).filter((urn) => /[:$]kubernetes:/.test(typePath(urn)));
    const target = some && urnsOf(some).filter((urn) => !locked.includes(urn));
    const passedOver = [...exclude, ...locked];
    const looked = target ? { target } : passedOver.length > 0 ? { exclude: passedOver } : {};
    await noteUncertain(stack);
    if (target?.length !== 0) {
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
  }
  if (some !== undefined) return { target: some.map((learner) => learnerUrn(stack.name, learner)), targetDependents: true };
  return exclude.length > 0 ? { exclude, excludeDependents: true } : undefined;
}

/** Tells who is no learner of the cohort file any more, and keeps what they had. */
async function keepOfLeavers(cohort: string, ids: readonly string[]): Promise<void> {
  const leaving = await leavers(cohort, ids);
  if (leaving.length === 0) return;
  note(leaversSentence(leaving, await arrivals(cohort, ids)));
  for (const id of leaving) if (await hasWork(cohort, id)) note(`Kept what ${id} had in ${await backUp(cohort, id)}.`);
}

async function runEngine(
  stack: Stack,
  about: readonly string[],
  scope: Scope,
  { command, parallel }: BringUpOptions,
  reporter: RunReporter,
  interrupt: Interrupt,
): Promise<void> {
  const cohort = stack.name;
  note(
    `Bringing up cohort ${cohort}: ${about.length} ${about.length === 1 ? "learner" : "learners"}${scope !== undefined && "target" in scope ? `, ${about.join(", ")}, and nobody else` : ""}.`,
  );
  interrupt.check();
  try {
    await reporter.engine((onEvent) =>
      stack.up({
        onEvent,
        color: "never",
        continueOnError: true,
        signal: interrupt.signal,
        ...(parallel !== undefined && { parallel }),
        ...scope,
      }),
    );
    for (const id of about) reporter.learnerDone(id);
    const changes = Object.entries(reporter.changes).map(([op, count]) => `${count} ${op}`);
    note(`${changes.length === 0 ? "0 changes" : changes.join(", ")}, in ${duration(Date.now() - reporter.startedAt)}.`);
  } catch (error) {
    interrupt.check();
    if (reporter.failures.size === 0) {
      const aboutState = await stateFailure(cohort, error);
      const cause = aboutState?.message ?? reporter.causes(error);
      for (const id of about) reporter.learnerFailed(id, cause);
      throw (
        aboutState ??
        new LabError(
          "up-failed",
          `Cohort ${cohort} did not come up. ${cause} Run \`./lab ${command} ${cohort}\` again: what is there already stays.`,
          { cause: error },
        )
      );
    }
    for (const { learner, result } of reporter.outcomes)
      if (result === "unfinished")
        reporter.learnerFailed(learner, reporter.errors.join(" ") || "The engine ended before all of it was made.");
  }
}

/** Looks whether who left the cohort file has left anything else, and removes it. Returns the exit code: 1 when something stays. */
async function removeLeavers(stack: Stack, learners: ReadonlySet<string>, since: Date): Promise<ExitCode> {
  const cohort = stack.name;
  const removed = await removeOtherLearners(cohort, learners);
  if (removed.length > 0) note(`Removed what was still here of ${removed.join(", ")}, no learner of the cohort file.`);
  const told = new Set((await readInventory(cohort)).flatMap(({ learner }) => learner ?? []));
  const codes: ExitCode[] = [];
  for (const learner of [...told].filter((id) => !learners.has(id))) codes.push(await settleLearner(stack, learner, since));
  return codes.find((code) => code !== ExitCode.ok) ?? ExitCode.ok;
}

/**
 * Proves what has come up and tells how it went. Returns the exit code.
 *
 * @param left what came of looking for what those who left the cohort file had
 */
async function conclude(
  cohort: string,
  about: readonly string[],
  left: ExitCode,
  json: boolean,
  reporter: RunReporter,
  interrupt: Interrupt,
): Promise<number> {
  for (const learner of await pausedIn(cohort)) reporter.learnerPaused(learner);
  const ofResult = (...results: LearnerOutcome["result"][]) => reporter.outcomes.filter(({ result }) => results.includes(result));
  const [up, failed] = [new Set(ofResult("up").map(({ learner }) => learner)), ofResult("failed", "unfinished")];
  const reports = up.size === 0 ? [] : await interrupt.orEnd(reporter.phase(phases.evidence, () => evidenceOf(cohort, up)));
  for (const report of reports) reporter.evidence(report);
  const { exitCodeOf, printReports } = await loadChecklist();
  // What was handed over before is its learner's work, which this run had nothing to do with.
  const own = reports.filter(({ id }) => reporter.handedOver.has(id));
  const proven = exitCodeOf(own.map((learner) => verdict(learner.reports)));
  const exitCode = failed.length > 0 ? ExitCode.failed : proven === ExitCode.ok ? left : proven;
  interrupt.check();
  const cause = left === ExitCode.ok ? undefined : "Something is left of who is no learner of the cohort file any more.";
  reporter.summary({ result: exitCode === ExitCode.ok ? "succeeded" : "failed", exitCode, ...(cause !== undefined && { cause }) });
  reporter.close();
  if (!json) {
    if (reports.length > 0) printReports(reports);
    print(`\n${renderSummary(reporter.outcomes, process.stdout.columns)}`.trimEnd());
  }
  const others = reports.filter((learner) => !own.includes(learner) && verdict(learner.reports) !== "pass").map(({ id }) => id);
  if (others.length > 0)
    note(
      `The evidence of ${others.join(", ")} is not passed. ${others.length === 1 ? "That lab was" : "Those labs were"} handed over before this run, so it has no say in how this run ended; \`./lab verify --cohort ${cohort}\` ends by it.`,
    );
  for (const { learner } of ofResult("paused"))
    note(`${paint("yellow", learner, process.stderr)} is paused, so neither changed nor looked at.`);
  for (const { learner, cause } of failed)
    note(`${paint("red", learner, process.stderr)} did not come up: ${[cause, cloudRemedy(cause ?? "")].filter(Boolean).join(" ")}`);
  if (failed.length > 0)
    note(
      `${about.length - failed.length} of ${about.length} learners are up. \`./lab retry ${cohort}\` tries the others again and leaves these as they are.`,
    );
  return exitCode;
}

async function evidenceOf(cohort: string, learners: ReadonlySet<string>) {
  const outputs = await readOutputs(cohort);
  for (const sentence of outputs.simulated) note(paint("yellow", `simulated: ${sentence}`, process.stderr));
  const { lookAtEvidence } = await loadChecklist();
  return lookAtEvidence(
    outputs,
    Object.values(outputs.learners).filter(({ id }) => learners.has(id)),
  );
}

/** Learners of whom a rotation was cut short after their cluster had taken the new credentials. */
async function rotating(stack: Stack): Promise<string[]> {
  const all = Object.values(((await stack.outputs())["learners"]?.value ?? {}) as CohortOutputs["learners"]);
  const begun = await Promise.all(
    all.map(async ({ id, cluster }) => {
      const present =
        cluster.kind === "embedded" ? await readIfExists(join(cohortPaths(stack.name).learner(id).kubeconfigs, "admin.yaml")) : undefined;
      return present !== undefined && present !== cluster.adminKubeconfig ? [id] : [];
    }),
  );
  return begun.flat();
}

/** Whether Pulumi's state may tell of things that are no longer there, which only a refresh makes it see. */
async function needsRefresh(stack: Stack, { isPending, learners }: StateSummary): Promise<boolean> {
  if (learners.size === 0 && !isPending) return false;
  const last = await stack.info();
  if (last?.result !== "succeeded" || isPending) return true;
  const all = Object.values(((await stack.outputs())["learners"]?.value ?? {}) as CohortOutputs["learners"]);
  // A learner's token that has ended, and a kind cluster that is gone, are found by looking.
  if (all.some(({ cluster }) => cluster.kind !== "embedded" && (tokenEnd(cluster.kubeconfig) ?? new Date(8.64e15)) < new Date()))
    return true;
  if (await anyKindGone(stack.name, all)) return true;
  const told = all.filter(({ cluster }) => cluster.kind === "embedded");
  // What awaits a pod lost its Deployment, or was scaled down: the lab is to have it.
  const wanted = new Set((await processStatus(stack.name)).flatMap(({ name, state }) => (state === "awaiting-pod" ? [] : [name])));
  const expected = [
    "registry",
    ...told.flatMap(({ id }) => [`${id}/kube-apiserver`, ...fluxControllerNames.map((name) => `${id}/${name}`)]),
  ];
  return (
    told.length > 0 &&
    (expected.some((name) => !wanted.has(name)) || told.some(({ id }) => !existsSync(cohortPaths(stack.name).learner(id).root)))
  );
}

/** Whether a kind cluster that was made is there no more. Where Docker does not answer, that is for the run to say. */
async function anyKindGone(cohort: string, learners: readonly LearnerOutputs[]): Promise<boolean> {
  const gone = await Promise.all(
    learners.flatMap(({ id, cluster }) =>
      cluster.kind === "kind"
        ? [
            containersOf(kindName(cohort, id), { learner: id, step: "look for the kind cluster" }).then(
              (found) => found.length === 0,
              () => false,
            ),
          ]
        : [],
    ),
  );
  return gone.includes(true);
}
