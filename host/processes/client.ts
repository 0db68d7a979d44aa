import { z } from "zod";
import { LabError } from "../../shared/errors.ts";
import { locked } from "../../shared/locked.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { endOne, engineName, findMarked, identify, isRunning, leadsGroup } from "../../ledger/process-identity.ts";
import { DoorStatus } from "./door-status.ts";
import { awaitListening } from "../../ledger/listening.ts";
import { writeApiPorts } from "./web-config.ts";
import { webPlaces } from "./web-places.ts";
import { askSocket, UnexpectedAnswer } from "./ask-socket.ts";
import { controlSocket, daemonLog, daemonVersion, readDaemonConfig } from "./config.ts";
import { daemonName, startGuarded } from "./guard.ts";
import { ProcessTable, type ProcessSpec } from "./process-table.ts";
import { recordProcess } from "../../ledger/record-process.ts";
import { endProcess } from "./end-process.ts";
import type { ProcessStatus } from "./supervisor.ts";

/** Whether the cohort's daemon answers. */
export async function isDaemonUp(paths: CohortPaths): Promise<boolean> {
  return (await tryCall(paths, "GET", "/processes")) !== undefined;
}

/** Whether a daemon of this version of the program answers; false also for one of another version. */
export async function isDaemonCurrent(paths: CohortPaths): Promise<boolean> {
  return (await runningVersion(paths)) === daemonVersion;
}

/** The version of the daemon that runs; undefined where none does. */
export async function daemonVersionOf(paths: CohortPaths): Promise<number | undefined> {
  return runningVersion(paths);
}

/** What the daemon tells Prometheus; undefined where none of this version runs. */
export async function daemonMetrics(paths: CohortPaths): Promise<string | undefined> {
  if (!(await isDaemonCurrent(paths))) return undefined;
  const answer = await tryCall(paths, "GET", "/metrics");
  return answer === undefined ? undefined : z.object({ text: z.string() }).parse(answer).text;
}

/** Undefined where none runs. */
async function runningVersion(paths: CohortPaths): Promise<number | undefined> {
  try {
    const answer = await tryCall(paths, "GET", "/version");
    return answer === undefined ? undefined : z.object({ version: z.int() }).parse(answer).version;
  } catch (error) {
    // Daemons had no version at first.
    if (error instanceof UnexpectedAnswer && error.status === 404) return 1;
    throw error;
  }
}

/**
 * Starts the cohort's daemon unless it runs; it adopts or starts every process that the cohort wants, the web process
 * among them. One of another version is replaced; the processes go on meanwhile.
 * Safe for several callers at once. Throws LabError `timeout` when it or the web process does not answer within 30 s.
 */
export async function startDaemon(paths: CohortPaths): Promise<void> {
  const { daemon } = paths;
  await makePrivateFolder(daemon);
  await locked(daemon, async () => {
    const version = await runningVersion(paths);
    if (version === daemonVersion) return;
    if (version !== undefined) await stopDaemon(paths);
    // What is left of one that does not answer: who guards it would start it again, and then there were two.
    else for (const { name, identity } of findMarked(daemon)) if (name === daemonName) endOne(identity);
    await writeApiPorts(paths);
    const logFile = daemonLog(paths);
    const self = { name: daemonName, owner: "cohort" };
    await recordProcess(paths, self);
    const pid = startGuarded(paths);
    const identity = pid === undefined ? undefined : identify(pid);
    if (identity !== undefined) await recordProcess(paths, self, identity);
    const look = async (): Promise<Look<undefined>> => {
      if (!(await isDaemonUp(paths))) return { done: false, because: "no answer of the daemon." };
      const web = await tryWeb(paths, "GET", "/version");
      return web === undefined ? { done: false, because: "no answer of the web process." } : { done: true, value: undefined };
    };
    const options = {
      what: `the lab daemon of cohort ${paths.cohort}`,
      timeoutSeconds: 30,
      remedy: `Its log is ${logFile}. ${webRemedy(paths)}`,
    };
    const config = await readDaemonConfig(paths);
    const leased = config && [
      { cohort: paths.cohort, lease: `${paths.cohort}/host/http`, port: config.httpPort },
      { cohort: paths.cohort, lease: `${paths.cohort}/host/registry`, port: config.registryPort },
    ];
    await (leased === undefined ? waitUntil(look, options) : awaitListening(leased, look, options));
  });
}

/** Makes the processes run, in this order, starting the daemon when needed. */
export async function ensureProcesses(paths: CohortPaths, specs: readonly ProcessSpec[]): Promise<void> {
  await startDaemon(paths);
  await call(paths, "PUT", "/processes", specs);
}

/** The state of every process of the cohort; empty where no daemon runs. */
export async function processStatus(paths: CohortPaths): Promise<ProcessStatus[]> {
  return ((await tryCall(paths, "GET", "/processes")) ?? []) as ProcessStatus[];
}

/** Ends the owner's processes for good (all of the cohort's without an owner), also where no daemon runs any more. */
export async function removeProcesses(paths: CohortPaths, owner: string | undefined, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if ((await tryCall(paths, "POST", "/processes/remove", { ...(owner === undefined ? {} : { owner }), signal })) !== undefined) return;
  const { daemon } = paths;
  const table = new ProcessTable(daemon);
  // Their marks tell of them where the table can't.
  const read = await table.read().catch((error: unknown) => {
    if (error instanceof LabError && error.code === "state-torn") return undefined;
    throw error;
  });
  const entries = read ?? [];
  const selected = entries.filter(({ spec }) => owner === undefined || spec.owner === owner);
  const names = new Set(selected.map(({ spec }) => spec.name));
  await endMarked(daemon, signal, (name) => owner === undefined || names.has(name) || (read === undefined && name.startsWith(`${owner}/`)));
  if (selected.length > 0) await table.write(entries.filter((entry) => !selected.includes(entry)));
}

/** Ends every process of the cohort, then the daemon, and keeps them wanted: the next start brings them back. Also where no daemon runs. */
export async function stopCohort(paths: CohortPaths): Promise<void> {
  if (await isDaemonUp(paths)) {
    await pauseProcesses(paths);
    await stopDaemon(paths);
  }
  await endMarked(paths.daemon, "SIGTERM", () => true);
}

/** Not the engine, on whose behalf this may run. */
async function endMarked(daemon: string, signal: "SIGTERM" | "SIGKILL", selects: (name: string) => boolean): Promise<void> {
  const marked = findMarked(daemon).filter(({ name, identity }) => name !== engineName && leadsGroup(identity) && selects(name));
  // A room ends last: whatever is left in it ends with it at once.
  const [guests, rooms] = [false, true].map((isRoom) => marked.filter(({ name }) => /\/(room|node)$/.test(name) === isRoom));
  for (const group of [guests!, rooms!]) await Promise.all(group.map(({ identity }) => endProcess(identity, signal)));
}

/** Ends processes and keeps them wanted: one learner's until they are resumed, the whole cohort's until its next start. */
export async function pauseProcesses(paths: CohortPaths, owner?: string): Promise<void> {
  await call(paths, "POST", "/processes/pause", { owner });
}

/** Starts one learner's processes again, or without an owner what of the cohort is stopped and not paused. */
export async function resumeProcesses(paths: CohortPaths, owner?: string): Promise<void> {
  await startDaemon(paths);
  await call(paths, "POST", "/processes/resume", { owner });
}

/** Makes the daemon run what the cohort itself needs, as its configuration now says, and waits until the web process answers. */
export async function ensureHostProcesses(paths: CohortPaths): Promise<void> {
  await startDaemon(paths);
  await call(paths, "POST", "/host");
  await callWeb(paths, "GET", "/version");
}

/** Opens the two sockets by which a learner's room comes to the own repositories and images: see `learnerWay`. Repeatable. */
export async function openWays(paths: CohortPaths, learner: string): Promise<void> {
  await startDaemon(paths);
  // By its ports the web process knows a learner who is in a room here.
  await writeApiPorts(paths);
  await callWeb(paths, "PUT", "/ways", { learner });
}

/** Takes them away again. Does nothing where no web process runs: the next one opens those of the learners there are. */
export async function shutWays(paths: CohortPaths, learner: string): Promise<void> {
  await tryWeb(paths, "POST", "/ways/shut", { learner });
}

/** The ports opened beside loopback; empty where no web process runs. */
export async function doorStatus(paths: CohortPaths): Promise<DoorStatus[]> {
  return z.array(DoorStatus).parse((await tryWeb(paths, "GET", "/doors")) ?? []);
}

/** Opens and shuts ports as configuration and leases now say. Where no web process runs the next one does. */
export async function updateDoors(paths: CohortPaths): Promise<DoorStatus[]> {
  await writeApiPorts(paths);
  return z.array(DoorStatus).parse((await tryWeb(paths, "POST", "/doors/reload")) ?? []);
}

/** Lets the pipeline do what the learner's repository asks for and is not done yet. */
export async function settlePipeline(paths: CohortPaths, learner: string): Promise<void> {
  await startDaemon(paths);
  await callWeb(paths, "POST", "/pipeline/settle", { learner });
}

/** Ends the daemon and waits until its process is gone; those it started go on. */
export async function stopDaemon(paths: CohortPaths): Promise<void> {
  const { daemon } = paths;
  // One of an earlier version holds a port until its end.
  const running = findMarked(daemon).filter(({ name, identity }) => name === daemonName && leadsGroup(identity));
  await tryCall(paths, "POST", "/shut-down");
  await waitUntil(
    async () => {
      if (await isDaemonUp(paths)) return { done: false, because: "it still answers." };
      return running.some(({ identity }) => isRunning(identity))
        ? { done: false, because: "its process is still there." }
        : { done: true, value: undefined };
    },
    {
      what: `the lab daemon of cohort ${paths.cohort} to end`,
      timeoutSeconds: 10,
      remedy: `Run \`./lab down ${paths.cohort}\` again.`,
    },
  );
}

async function call(paths: CohortPaths, method: string, path: string, body?: unknown): Promise<unknown> {
  return (await tryCall(paths, method, path, body)) ?? raise(daemonDown(paths));
}

/** The daemon's answer; undefined when none listens. */
const tryCall = (paths: CohortPaths, method: string, path: string, body?: unknown) => askSocket(controlSocket(paths), method, path, body);

/** The web process' answer; undefined when none listens. */
const tryWeb = (paths: CohortPaths, method: string, path: string, body?: unknown) => askSocket(webPlaces(paths).socket, method, path, body);

/** As tryWeb, and waits for a web process that is started or started again just now. */
async function callWeb(paths: CohortPaths, method: string, path: string, body?: unknown): Promise<unknown> {
  return waitUntil(
    async () => {
      const value = await tryWeb(paths, method, path, body);
      return value === undefined ? { done: false, because: "no answer." } : { done: true, value };
    },
    { what: `the web process of cohort ${paths.cohort}`, timeoutSeconds: 30, remedy: webRemedy(paths) },
  );
}

const webRemedy = (paths: CohortPaths) => `Its log is ${webPlaces(paths).log}; after mending, run \`./lab start ${paths.cohort}\`.`;

const daemonDown = (paths: CohortPaths) =>
  new LabError("daemon-down", `The lab daemon of cohort ${paths.cohort} does not answer. Start it with \`./lab start ${paths.cohort}\`.`);

function raise(error: Error): never {
  throw error;
}
