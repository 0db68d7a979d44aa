import { z } from "zod";
import { LabError } from "../../shared/errors.ts";
import { locked } from "../../shared/locked.ts";
import { cohortPaths } from "../../shared/paths.ts";
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
export async function isDaemonUp(cohort: string): Promise<boolean> {
  return (await tryCall(cohort, "GET", "/processes")) !== undefined;
}

/** Whether a daemon of this version of the program answers; false also for one of another version. */
export async function isDaemonCurrent(cohort: string): Promise<boolean> {
  return (await runningVersion(cohort)) === daemonVersion;
}

/** The version of the daemon that runs; undefined where none does. */
export async function daemonVersionOf(cohort: string): Promise<number | undefined> {
  return runningVersion(cohort);
}

/** What the daemon tells Prometheus; undefined where none of this version runs. */
export async function daemonMetrics(cohort: string): Promise<string | undefined> {
  if (!(await isDaemonCurrent(cohort))) return undefined;
  const answer = await tryCall(cohort, "GET", "/metrics");
  return answer === undefined ? undefined : z.object({ text: z.string() }).parse(answer).text;
}

/** Undefined where none runs. */
async function runningVersion(cohort: string): Promise<number | undefined> {
  try {
    const answer = await tryCall(cohort, "GET", "/version");
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
export async function startDaemon(cohort: string): Promise<void> {
  const { daemon } = cohortPaths(cohort);
  await makePrivateFolder(daemon);
  await locked(daemon, async () => {
    const version = await runningVersion(cohort);
    if (version === daemonVersion) return;
    if (version !== undefined) await stopDaemon(cohort);
    // What is left of one that does not answer: who guards it would start it again, and then there were two.
    else for (const { name, identity } of findMarked(daemon)) if (name === daemonName) endOne(identity);
    await writeApiPorts(cohort);
    const logFile = daemonLog(cohort);
    const self = { name: daemonName, owner: "cohort" };
    await recordProcess(cohort, self);
    const pid = startGuarded(cohort);
    const identity = pid === undefined ? undefined : identify(pid);
    if (identity !== undefined) await recordProcess(cohort, self, identity);
    const look = async (): Promise<Look<undefined>> => {
      if (!(await isDaemonUp(cohort))) return { done: false, because: "no answer of the daemon." };
      const web = await tryWeb(cohort, "GET", "/version");
      return web === undefined ? { done: false, because: "no answer of the web process." } : { done: true, value: undefined };
    };
    const options = {
      what: `the lab daemon of cohort ${cohort}`,
      timeoutSeconds: 30,
      remedy: `Its log is ${logFile}. ${webRemedy(cohort)}`,
    };
    const config = await readDaemonConfig(cohort);
    const leased = config && [
      { cohort, lease: `${cohort}/host/http`, port: config.httpPort },
      { cohort, lease: `${cohort}/host/registry`, port: config.registryPort },
    ];
    await (leased === undefined ? waitUntil(look, options) : awaitListening(leased, look, options));
  });
}

/** Makes the processes run, in this order, starting the daemon when needed. */
export async function ensureProcesses(cohort: string, specs: readonly ProcessSpec[]): Promise<void> {
  await startDaemon(cohort);
  await call(cohort, "PUT", "/processes", specs);
}

/** The state of every process of the cohort; empty where no daemon runs. */
export async function processStatus(cohort: string): Promise<ProcessStatus[]> {
  return ((await tryCall(cohort, "GET", "/processes")) ?? []) as ProcessStatus[];
}

/** Ends the owner's processes for good (all of the cohort's without an owner), also where no daemon runs any more. */
export async function removeProcesses(cohort: string, owner: string | undefined, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if ((await tryCall(cohort, "POST", "/processes/remove", { ...(owner === undefined ? {} : { owner }), signal })) !== undefined) return;
  const { daemon } = cohortPaths(cohort);
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
export async function stopCohort(cohort: string): Promise<void> {
  if (await isDaemonUp(cohort)) {
    await pauseProcesses(cohort);
    await stopDaemon(cohort);
  }
  await endMarked(cohortPaths(cohort).daemon, "SIGTERM", () => true);
}

/** Not the engine, on whose behalf this may run. */
async function endMarked(daemon: string, signal: "SIGTERM" | "SIGKILL", selects: (name: string) => boolean): Promise<void> {
  const marked = findMarked(daemon).filter(({ name, identity }) => name !== engineName && leadsGroup(identity) && selects(name));
  // A room ends last: whatever is left in it ends with it at once.
  const [guests, rooms] = [false, true].map((isRoom) => marked.filter(({ name }) => /\/(room|node)$/.test(name) === isRoom));
  for (const group of [guests!, rooms!]) await Promise.all(group.map(({ identity }) => endProcess(identity, signal)));
}

/** Ends processes and keeps them wanted: one learner's until they are resumed, the whole cohort's until its next start. */
export async function pauseProcesses(cohort: string, owner?: string): Promise<void> {
  await call(cohort, "POST", "/processes/pause", { owner });
}

/** Starts one learner's processes again, or without an owner what of the cohort is stopped and not paused. */
export async function resumeProcesses(cohort: string, owner?: string): Promise<void> {
  await startDaemon(cohort);
  await call(cohort, "POST", "/processes/resume", { owner });
}

/** Makes the daemon run what the cohort itself needs, as its configuration now says, and waits until the web process answers. */
export async function ensureHostProcesses(cohort: string): Promise<void> {
  await startDaemon(cohort);
  await call(cohort, "POST", "/host");
  await callWeb(cohort, "GET", "/version");
}

/** Opens the two sockets by which a learner's room comes to the own repositories and images: see `learnerWay`. Repeatable. */
export async function openWays(cohort: string, learner: string): Promise<void> {
  await startDaemon(cohort);
  // By its ports the web process knows a learner who is in a room here.
  await writeApiPorts(cohort);
  await callWeb(cohort, "PUT", "/ways", { learner });
}

/** Takes them away again. Does nothing where no web process runs: the next one opens those of the learners there are. */
export async function shutWays(cohort: string, learner: string): Promise<void> {
  await tryWeb(cohort, "POST", "/ways/shut", { learner });
}

/** The ports opened beside loopback; empty where no web process runs. */
export async function doorStatus(cohort: string): Promise<DoorStatus[]> {
  return z.array(DoorStatus).parse((await tryWeb(cohort, "GET", "/doors")) ?? []);
}

/** Opens and shuts ports as configuration and leases now say. Where no web process runs the next one does. */
export async function updateDoors(cohort: string): Promise<DoorStatus[]> {
  await writeApiPorts(cohort);
  return z.array(DoorStatus).parse((await tryWeb(cohort, "POST", "/doors/reload")) ?? []);
}

/** Lets the pipeline do what the learner's repository asks for and is not done yet. */
export async function settlePipeline(cohort: string, learner: string): Promise<void> {
  await startDaemon(cohort);
  await callWeb(cohort, "POST", "/pipeline/settle", { learner });
}

/** Ends the daemon and waits until its process is gone; those it started go on. */
export async function stopDaemon(cohort: string): Promise<void> {
  const { daemon } = cohortPaths(cohort);
  // One of an earlier version holds a port until its end.
  const running = findMarked(daemon).filter(({ name, identity }) => name === daemonName && leadsGroup(identity));
  await tryCall(cohort, "POST", "/shut-down");
  await waitUntil(
    async () => {
      if (await isDaemonUp(cohort)) return { done: false, because: "it still answers." };
      return running.some(({ identity }) => isRunning(identity))
        ? { done: false, because: "its process is still there." }
        : { done: true, value: undefined };
    },
    {
      what: `the lab daemon of cohort ${cohort} to end`,
      timeoutSeconds: 10,
      remedy: `Run \`./lab down ${cohort}\` again.`,
    },
  );
}

async function call(cohort: string, method: string, path: string, body?: unknown): Promise<unknown> {
  return (await tryCall(cohort, method, path, body)) ?? raise(daemonDown(cohort));
}

/** The daemon's answer; undefined when none listens. */
const tryCall = (cohort: string, method: string, path: string, body?: unknown) => askSocket(controlSocket(cohort), method, path, body);

/** The web process' answer; undefined when none listens. */
const tryWeb = (cohort: string, method: string, path: string, body?: unknown) =>
  askSocket(webPlaces(cohortPaths(cohort)).socket, method, path, body);

/** As tryWeb, and waits for a web process that is started or started again just now. */
async function callWeb(cohort: string, method: string, path: string, body?: unknown): Promise<unknown> {
  return waitUntil(
    async () => {
      const value = await tryWeb(cohort, method, path, body);
      return value === undefined ? { done: false, because: "no answer." } : { done: true, value };
    },
    { what: `the web process of cohort ${cohort}`, timeoutSeconds: 30, remedy: webRemedy(cohort) },
  );
}

const webRemedy = (cohort: string) => `Its log is ${webPlaces(cohortPaths(cohort)).log}; after mending, run \`./lab start ${cohort}\`.`;

const daemonDown = (cohort: string) =>
  new LabError("daemon-down", `The lab daemon of cohort ${cohort} does not answer. Start it with \`./lab start ${cohort}\`.`);

function raise(error: Error): never {
  throw error;
}
