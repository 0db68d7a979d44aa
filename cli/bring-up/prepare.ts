import { isDaemonCurrent, isDaemonUp, startDaemon } from "../../host/processes/client.ts";
import { readDaemonConfig } from "../../host/processes/config.ts";
import { startClusters } from "../../clusters/upkeep.ts";
import { isolationLines, lookAgain, requireRooms } from "../../stacks/isolation.ts";
import { requireGitHost } from "../git-host.ts";
import { requireNotNewer } from "../made-by.ts";
import { phases } from "../progress/steps.ts";
import { requireProviders } from "../providers.ts";
import { note, paint } from "../terminal.ts";
import { installTools } from "../tools.ts";
import type { Run } from "./run.ts";

/** Throws LabError where the lab was last worked on by a newer version of this program. */
export async function requireOwnVersion({ paths }: Run): Promise<void> {
  await requireNotNewer(paths);
}

/** Installs the tools that are missing. */
export async function bringTools({ plan, reporter, interrupt }: Run): Promise<void> {
  await interrupt.orEnd(reporter.tools((onProgress) => installTools(plan, onProgress)));
}

/** Throws LabError where no learner's kind of cluster has what it needs; names the learners where only some lack something. */
export async function requireReadyProviders({ plan }: Run): Promise<void> {
  await requireProviders(plan);
}

/** Tells how the learners are kept apart, by the program that does it. Throws LabError (exit code 2) where they must be and can't. */
export async function tellIsolation({ plan: before }: Run): Promise<void> {
  const plan = await lookAgain(before);
  requireRooms(plan);
  for (const { text, isWarning } of isolationLines(plan)) if (isWarning) note(paint("yellow", text, process.stderr));
}

/** Starts the processes of a cohort that was stopped, or that a daemon of another version looks after. */
export async function startProcesses({ plan: { cohort }, paths, reporter, interrupt }: Run): Promise<void> {
  if ((await readDaemonConfig(paths)) === undefined || (await isDaemonCurrent(paths))) return;
  const state = (await isDaemonUp(paths)) ? "whose daemon is of another version" : "which were not running";
  note(`Starting the processes of cohort ${cohort}, ${state}.`);
  await interrupt.orEnd(reporter.phase(phases.processes, () => startDaemon(paths)));
}

/** Starts the clusters that stand still, as containers do after a restart of the machine. */
export async function startStanding({ plan: { cohort, learners }, interrupt }: Run): Promise<void> {
  const clusters = learners.map(({ cluster }) => cluster);
  await interrupt.orEnd(startClusters(cohort, note, clusters));
}

/** Opens the cohort's stack, and asks the Git host with the credentials in it. */
export async function openCohort(run: Run): Promise<void> {
  const { plan, paths, reporter, interrupt } = run;
  run.stack = await interrupt.orEnd(
    reporter.phase(phases.stack, async () => {
      const stack = await (await import("../stack.ts")).openStack(paths);
      await requireGitHost(plan, stack);
      return stack;
    }),
  );
}
