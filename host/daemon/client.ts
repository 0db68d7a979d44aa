import { request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import lockfile from "proper-lockfile";
import { z } from "zod";
import { LabError } from "../../shared/errors.ts";
import { startDetached } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { waitUntil, type Look } from "../../shared/wait.ts";
import { engineName, findMarked, identify, leadsGroup, mark } from "../process-identity.ts";
import { DoorStatus } from "../doors/status.ts";
import { awaitListening } from "../listening.ts";
import { controlSocket, readDaemonConfig } from "./config.ts";
import { ProcessTable, type ProcessSpec } from "./process-table.ts";
import { recordProcess } from "./record-process.ts";
import { endProcess, type ProcessStatus } from "./supervisor.ts";

/** Whether the cohort's daemon answers. */
export async function isDaemonUp(cohort: string): Promise<boolean> {
  return (await tryCall(cohort, "GET", "/processes")) !== undefined;
}

/**
 * Starts the cohort's daemon unless it runs; it adopts or starts every process that the cohort wants.
 * Safe for several callers at once. Throws LabError `timeout` when it does not answer within 15 s.
 */
export async function startDaemon(cohort: string): Promise<void> {
  const { daemon } = cohortPaths(cohort);
  await makePrivateFolder(daemon);
  const release = await lockfile.lock(daemon, { retries: { retries: 100, minTimeout: 50, maxTimeout: 250 } });
  try {
    if (await isDaemonUp(cohort)) return;
    const logFile = join(daemon, "daemon.log");
    const self = { name: "daemon", owner: "cohort" };
    await recordProcess(cohort, self);
    // Pulumi's variables (passphrase, plugin sockets) are none of the daemon's business.
    const { pid } = startDetached(process.execPath, [fileURLToPath(new URL("main.ts", import.meta.url)), cohort], {
      cwd: daemon,
      env: { ...daemonEnvironment(), ...mark(daemon, self.name) },
      logFile,
    });
    const identity = pid === undefined ? undefined : identify(pid);
    if (identity !== undefined) await recordProcess(cohort, self, identity);
    const look = async (): Promise<Look<undefined>> =>
      (await isDaemonUp(cohort)) ? { done: true, value: undefined } : { done: false, because: "no answer." };
    const options = {
      what: `the lab daemon of cohort ${cohort}`,
      timeoutSeconds: 15,
      remedy: `Its log is ${logFile}; after mending, run \`./lab start ${cohort}\`.`,
    };
    const port = (await readDaemonConfig(cohort))?.httpPort;
    await (port === undefined ? waitUntil(look, options) : awaitListening({ cohort, lease: `${cohort}/host/http`, port }, look, options));
  } finally {
    await release();
  }
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
  const entries = await table.read();
  const selected = entries.filter(({ spec }) => owner === undefined || spec.owner === owner);
  const names = new Set(selected.map(({ spec }) => spec.name));
  await endMarked(daemon, signal, (name) => owner === undefined || names.has(name));
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
  await Promise.all(marked.map(({ identity }) => endProcess(identity, signal)));
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

/** The ports opened beside loopback; empty where no daemon runs. */
export async function doorStatus(cohort: string): Promise<DoorStatus[]> {
  return z.array(DoorStatus).parse((await tryCall(cohort, "GET", "/doors")) ?? []);
}

/** Opens and shuts ports as configuration and leases now say. Does nothing where no daemon runs. */
export async function updateDoors(cohort: string): Promise<DoorStatus[]> {
  return z.array(DoorStatus).parse((await tryCall(cohort, "POST", "/doors/reload")) ?? []);
}

/** Lets the pipeline do what the learner's repository asks for and is not done yet. */
export async function settlePipeline(cohort: string, learner: string): Promise<void> {
  await startDaemon(cohort);
  await call(cohort, "POST", "/pipeline/settle", { learner });
}

/** Ends the daemon and waits until it no longer answers; the processes it started go on. */
export async function stopDaemon(cohort: string): Promise<void> {
  await tryCall(cohort, "POST", "/shut-down");
  await waitUntil(
    async () => ((await isDaemonUp(cohort)) ? { done: false, because: "it still answers." } : { done: true, value: undefined }),
    {
      what: `the lab daemon of cohort ${cohort} to end`,
      timeoutSeconds: 10,
      remedy: `Run \`./lab down ${cohort}\` again.`,
    },
  );
}

function daemonEnvironment(): Record<string, string> {
  const passed = ["PATH", "HOME", "LANG", "GITOPS_LAB_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"];
  return Object.fromEntries(passed.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

async function call(cohort: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await tryCall(cohort, method, path, body);
  if (answer === undefined) {
    throw new LabError("daemon-down", `The lab daemon of cohort ${cohort} does not answer. Start it with \`./lab start ${cohort}\`.`);
  }
  return answer;
}

/** The daemon's answer; undefined when none listens. */
async function tryCall(cohort: string, method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: controlSocket(cohort), agent: false, method, path, headers: { "content-type": "application/json" } },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`lab daemon: ${method} ${path} answered ${response.statusCode}: ${text}`));
        });
      },
    );
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      // The last of them is how a daemon that is shutting down answers.
      if (["ENOENT", "ECONNREFUSED", "ECONNRESET"].includes(error.code ?? "")) resolve(undefined);
      else reject(error);
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
