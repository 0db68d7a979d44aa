import { fileURLToPath } from "node:url";
import { startDetached } from "../../shared/exec.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { mark } from "../../ledger/process-identity.ts";
import { configFile, daemonLog } from "./config.ts";
import { passedEnvironment } from "./environment.ts";

/** What daemon and guard are marked as. */
export const daemonName = "daemon";

/**
 * Leads the daemon's group and starts it again where it ends in any other way than in order: what nobody asked for, such as
 * the kernel's choice when memory is short. The daemon's configuration goes with the cohort, and then there is nothing to
 * start. One that ends at once again and again is given up.
 */
const guard = `quick=0
while [ -e "$0" ] && [ "$quick" -lt 20 ]; do
  began=$(date +%s)
  "$@" && exit 0
  if [ $(($(date +%s) - began)) -gt 60 ]; then quick=0; else quick=$((quick + 1)); fi
  sleep "$quick"
done`;

/** Starts the daemon of a cohort with who guards it, and returns the guard's pid. Nobody else may run. */
export function startGuarded(paths: CohortPaths): number | undefined {
  const { daemon } = paths;
  const program = [process.execPath, fileURLToPath(new URL("../daemon/main.ts", import.meta.url)), paths.cohort];
  // Pulumi's variables (passphrase, plugin sockets) are none of the daemon's business.
  const { pid } = startDetached("/bin/sh", ["-c", guard, configFile(paths), ...program], {
    cwd: daemon,
    env: { ...passedEnvironment(), ...mark(daemon, daemonName) },
    logFile: daemonLog(paths),
  });
  return pid;
}

const lookEveryMs = 2000;

/** In the daemon: where its guard was killed, it makes room for another daemon that has one. */
export function insistOnGuard(paths: CohortPaths): void {
  const guardedBy = process.ppid;
  setInterval(() => {
    if (process.ppid === guardedBy) return;
    startGuarded(paths);
    process.exit(0);
  }, lookEveryMs).unref();
}
