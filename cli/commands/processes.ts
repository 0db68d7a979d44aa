import { existsSync } from "node:fs";
import { isDaemonUp, pauseProcesses, processStatus, resumeProcesses, startDaemon, stopCohort } from "../../host/processes/client.ts";
import { readDaemonConfig } from "../../host/processes/config.ts";
import type { ProcessStatus } from "../../host/processes/supervisor.ts";
import { limitHitsOfCohort } from "../../host/limits/hits.ts";
import { startClusters } from "../../clusters/upkeep.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { noRoom, type Isolated } from "../../shared/isolation.ts";
import { limitNewsMs } from "../../shared/limits.ts";
import { labHostKind } from "../../shared/on-lab-host.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { waitUntil } from "../../shared/wait.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { expiriesOf } from "../course/lifetimes.ts";
import { notUp } from "../not-up.ts";
import { openingLines, openingOf } from "../openings.ts";
import { pausedLearners } from "../paused.ts";
import { requireNotNewer } from "../made-by.ts";
import { note, paint, print, printJson } from "../terminal.ts";
import { cohortOption } from "../which-cohort.ts";

/** Brings every process of a cohort back, after a reboot or a `stop`. Returns the exit code. */
export async function start(name: string): Promise<number> {
  const cohort = await cohortOnHost(name);
  const paths = cohortPaths(cohort);
  await requireNotNewer(paths);
  await bringBack(cohort);
  await startClusters(cohort, note);
  const paused = pausedLearners(await processStatus(paths));
  note(
    `Cohort ${cohort} runs${paused.length === 0 ? "" : `, but for ${paused.join(", ")}, who ${paused.length === 1 ? "is" : "are"} paused`}. \`./lab verify --cohort ${cohort}\` tells whether the labs are well.`,
  );
  return ExitCode.ok;
}

/** What starts before the API server answers may end once more: only what has run for so long unchanged is said to run. */
const settledMs = 1500;

/** Starts what is stopped, or one learner's also where it is paused, and waits until it runs. */
export async function bringBack(cohort: string, learner?: string): Promise<void> {
  const paths = cohortPaths(cohort);
  // A cohort of which nothing is embedded has no processes.
  if ((await readDaemonConfig(paths)) === undefined) return;
  await startDaemon(paths);
  await resumeProcesses(paths, learner);
  const what = learner === undefined ? `cohort ${cohort}` : `learner ${learner}`;
  const isOurs = ({ owner, state }: ProcessStatus) => (learner === undefined ? state !== "paused" : owner === learner);
  let seen = { pids: "", since: 0 };
  await waitUntil(
    async () => {
      // What awaits a pod is for the learner's cluster to start.
      const processes = (await processStatus(paths)).filter(isOurs).filter(({ state }) => state !== "awaiting-pod");
      const missing = processes.filter(({ state }) => state !== "running").map(({ name }) => name);
      const pids = processes.map(({ pid }) => pid).join();
      if (pids !== seen.pids) seen = { pids, since: Date.now() };
      if (missing.length > 0) return { done: false, because: `${missing.join(", ")} not running.` };
      return Date.now() - seen.since >= settledMs ? { done: true, value: undefined } : { done: false, because: "they run only just." };
    },
    { what: `the processes of ${what}`, timeoutSeconds: 60, remedy: `\`./lab status ${cohort}\` shows why each last ended.` },
  );
}

/** Ends one learner's processes and keeps the data; the others work on. Returns the exit code. */
export async function pause(learner: string, options: { readonly cohort: string }): Promise<number> {
  const cohort = await cohortOnHost(options.cohort);
  await requireLearner(cohort, learner);
  await pauseProcesses(cohortPaths(cohort), learner);
  note(`The lab of ${learner} is paused; its data is kept. \`./lab resume ${learner}${cohortOption(cohort)}\` brings it back.`);
  return ExitCode.ok;
}

/** Brings a paused learner's processes back. Returns the exit code. */
export async function resume(learner: string, options: { readonly cohort: string }): Promise<number> {
  const cohort = await cohortOnHost(options.cohort);
  await requireLearner(cohort, learner);
  await bringBack(cohort, learner);
  note(`The lab of ${learner} runs. \`./lab verify ${learner}${cohortOption(cohort)}\` tells whether it is well.`);
  return ExitCode.ok;
}

/** Throws LabError where no process is the learner's, or where no daemon can tell. */
async function requireLearner(cohort: string, learner: string): Promise<void> {
  const paths = cohortPaths(cohort);
  if (!(await isDaemonUp(paths))) {
    throw new LabError(
      "daemon-down",
      `The lab daemon of cohort ${cohort} does not answer. Start the cohort with \`./lab start ${cohort}\`.`,
      { exitCode: ExitCode.badInput },
    );
  }
  const owners = new Set((await processStatus(paths)).flatMap(({ owner }) => (owner === "cohort" ? [] : [owner])));
  if (owners.has(learner)) return;
  throw new LabError(
    "learner-unknown",
    `Nothing of a learner "${learner}" runs in cohort ${cohort}. Its learners: ${[...owners].join(", ")}. Run the command with one of these.`,
    { exitCode: ExitCode.badInput },
  );
}

/** Ends every process of a cohort in order and keeps all data. Returns the exit code. */
export async function stop(name: string): Promise<number> {
  const cohort = await cohortOnHost(name);
  await stopCohort(cohortPaths(cohort));
  note(`Cohort ${cohort} is stopped; its data is kept. \`./lab start ${cohort}\` brings it back.`);
  return ExitCode.ok;
}

/** Shows what runs. Exit code 1 when something that should run does not; a paused learner should not. */
export async function status(name: string, options: { readonly json: boolean }): Promise<number> {
  const cohort = await cohortOnHost(name);
  const paths = cohortPaths(cohort);
  const daemon = await isDaemonUp(paths);
  const processes = await processStatus(paths);
  const opened = await openingOf(cohort);
  const isolation = (await readDaemonConfig(paths))?.isolation ?? "none";
  const ending = (await expiriesOf(cohort)).filter(({ state }) => state !== "later");
  const paused = pausedLearners(processes);
  const limitHits = await limitHitsOfCohort(paths, new Date(Date.now() - limitNewsMs));
  if (options.json) {
    printJson({ cohort, daemon: daemon ? "running" : "stopped", isolation, processes, paused, opened: opened ?? null, ending, limitHits });
  } else {
    print(`lab daemon of ${cohort}: ${daemon ? paint("green", "running") : paint("red", `stopped; run \`./lab start ${cohort}\``)}`);
    const width = Math.max(0, ...processes.map((process) => process.name.length));
    for (const { name, owner, state, pid, restarts, lastExit } of processes) {
      const history = restarts === 0 ? "" : `, restarted ${restarts} times, last because: ${lastExit?.reason} at ${lastExit?.at}`;
      print(
        `  ${name.padEnd(width)}  ${paint(state === "running" ? "green" : paused.includes(owner) ? "yellow" : "red", state)}${pid === undefined ? "" : ` (pid ${pid})`}${history}`,
      );
    }
    const warning = noRoom({ isolation, ...partsHere(cohort, processes) });
    if (warning !== undefined) print(paint("yellow", warning));
    for (const learner of paused)
      print(paint("yellow", `${learner} is paused; \`./lab resume ${learner}${cohortOption(cohort)}\` brings the lab back`));
    for (const line of limitLines(limitHits)) print(paint("yellow", line));
    if (opened) for (const line of openingLines(opened)) print(line);
    for (const { learner, endsAt, state } of ending) {
      const whose = learner === undefined ? `the cohort's time` : `the time of ${learner}`;
      note(
        paint(
          "yellow",
          `${whose} ${state === "over" ? "ended" : "ends"} at ${endsAt}: \`./lab reap\` archives it, then ${learner === undefined ? "removes" : "pauses"} it`,
          process.stderr,
        ),
      );
    }
  }
  const isOpen = (opened?.doors ?? []).every(({ state }) => state !== "shut");
  return daemon && isOpen && processes.every(({ owner, state }) => state === "running" || paused.includes(owner))
    ? ExitCode.ok
    : ExitCode.failed;
}

/** Who came up against a limit in the last day: how often, and the last sentence that the learner got. */
function limitLines(found: Awaited<ReturnType<typeof limitHitsOfCohort>>): string[] {
  return found.map(({ learner, hits }) => {
    const last = hits.at(-1)!;
    return `${learner} came up against a limit ${hits.length === 1 ? "once" : `${hits.length} times`} in the last day, at ${last.at} (${last.limit}): ${last.said}`;
  });
}

/** What of a cohort is on this machine, by what there is of it. */
function partsHere(cohort: string, processes: readonly ProcessStatus[]): Pick<Isolated, "cluster" | "git"> {
  const kind = (isHere: boolean) => ({ kind: isHere ? labHostKind : "elsewhere" });
  return { cluster: kind(processes.some(({ owner }) => owner !== "cohort")), git: kind(existsSync(cohortPaths(cohort).git)) };
}

async function cohortOnHost(name: string): Promise<string> {
  const cohort = parseCohortName(name);
  if ((await readDaemonConfig(cohortPaths(cohort))) !== undefined) return cohort;
  throw await notUp(cohort);
}
