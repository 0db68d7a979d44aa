import { isDaemonUp, pauseProcesses, processStatus, resumeProcesses, startDaemon, stopDaemon } from "../../host/daemon/client.ts";
import { readDaemonConfig } from "../../host/daemon/config.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { waitUntil } from "../../shared/wait.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { note, paint, print, printJson } from "../terminal.ts";

/** Brings every process of a cohort back, after a reboot or a `stop`. Returns the exit code. */
export async function start(name: string): Promise<number> {
  const cohort = await cohortOnHost(name);
  await startDaemon(cohort);
  await resumeProcesses(cohort);
  await waitUntil(
    async () => {
      const missing = (await processStatus(cohort)).filter(({ state }) => state !== "running").map((process) => process.name);
      return missing.length === 0 ? { done: true, value: undefined } : { done: false, because: `${missing.join(", ")} not running.` };
    },
    { what: `the processes of cohort ${cohort}`, timeoutSeconds: 60, remedy: `\`./lab status ${cohort}\` shows why each last ended.` },
  );
  note(`Cohort ${cohort} runs. \`./lab verify ${cohort}\` tells whether the labs are well.`);
  return ExitCode.ok;
}

/** Ends every process of a cohort in order and keeps all data. Returns the exit code. */
export async function stop(name: string): Promise<number> {
  const cohort = await cohortOnHost(name);
  if (await isDaemonUp(cohort)) {
    await pauseProcesses(cohort);
    await stopDaemon(cohort);
  }
  note(`Cohort ${cohort} is stopped; its data is kept. \`./lab start ${cohort}\` brings it back.`);
  return ExitCode.ok;
}

/** Shows what runs. Exit code 1 when something that should run does not. */
export async function status(name: string, options: { readonly json: boolean }): Promise<number> {
  const cohort = await cohortOnHost(name);
  const daemon = await isDaemonUp(cohort);
  const processes = await processStatus(cohort);
  if (options.json) {
    printJson({ cohort, daemon: daemon ? "running" : "stopped", processes });
  } else {
    print(`lab daemon of ${cohort}: ${daemon ? paint("green", "running") : paint("red", `stopped; run \`./lab start ${cohort}\``)}`);
    const width = Math.max(0, ...processes.map((process) => process.name.length));
    for (const { name, state, pid, restarts, lastExit } of processes) {
      const history = restarts === 0 ? "" : `, restarted ${restarts} times, last because: ${lastExit?.reason} at ${lastExit?.at}`;
      print(`  ${name.padEnd(width)}  ${paint(state === "running" ? "green" : "red", state)}${pid === undefined ? "" : ` (pid ${pid})`}${history}`);
    }
  }
  return daemon && processes.every(({ state }) => state === "running") ? ExitCode.ok : ExitCode.failed;
}

async function cohortOnHost(name: string): Promise<string> {
  const cohort = parseCohortName(name);
  if ((await readDaemonConfig(cohort)) !== undefined) return cohort;
  throw new LabError("cohort-not-up", `Cohort ${cohort} is not on this machine. Run \`./lab up ${cohort}\`.`, { exitCode: ExitCode.badInput });
}
