import { rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { settleOwnEnvironment } from "../../shared/environment.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder } from "../../shared/private-files.ts";
import { jobsSocket } from "../jobs/client.ts";
import { jobsHere, learnerRooms } from "../jobs/jobs.ts";
import { jobsServer } from "../jobs/server.ts";
import { webPlaces } from "../processes/web-places.ts";
import { controlApi } from "./control-api.ts";
import { controlSocket, daemonLog, readDaemonConfig, writeDaemonConfig } from "../processes/config.ts";
import { insistOnGuard } from "../processes/guard.ts";
import { hostProcesses } from "./host-processes.ts";
import { keepLabHostNodes } from "../lab-host-node/nodes.ts";
import { keepLogsSmall } from "../processes/logs.ts";
import { cohortMetrics } from "./metrics.ts";
import { serveMetrics } from "./metrics-server.ts";
import { keepTurns } from "../room/turns.ts";
import { ProcessTable } from "../processes/process-table.ts";
import { recordProcess } from "../../ledger/record-process.ts";
import { Supervisor } from "../processes/supervisor.ts";
import { log, logWhatEndsThis } from "../log.ts";

/**
 * The lab daemon of one cohort: `node main.ts <cohort>`. Keeps the cohort's processes running, its registry and its web
 * process (host/web) among them, and answers in each cluster for the processes that its pods stand for. It listens on one
 * Unix socket, for the lab's own commands; what outsiders talk to is the web process'.
 */
settleOwnEnvironment("daemon");
const cohort = process.argv[2];
const config = cohort === undefined ? undefined : await readDaemonConfig(cohortPaths(cohort));
if (config === undefined) throw new Error(`lab daemon: no configuration for cohort ${cohort}`);

logWhatEndsThis();
const paths = cohortPaths(config.cohort);
const table = new ProcessTable(paths.daemon);
const supervisor = new Supervisor(table, (spec, identity) => recordProcess(paths, spec, identity));

async function ensureHost(): Promise<void> {
  const current = await readDaemonConfig(cohortPaths(config!.cohort));
  if (current === undefined) return;
  // A lab of an earlier version has no copy for the web process yet.
  await writeDaemonConfig(current);
  openMetrics(current.metricsPort);
  for (const spec of await hostProcesses(current)) await supervisor.ensure(spec);
}

const metrics = cohortMetrics(config.cohort, () => supervisor.status());
let metricsAt: number | undefined;
/** Where the configuration says so by now: an earlier version's did not. */
function openMetrics(port: number | undefined): void {
  if (port === undefined || port === metricsAt) return;
  metricsAt = port;
  serveMetrics(port, metrics);
}

const jobs = jobsServer(jobsHere(config.isolation === "room" ? learnerRooms(config.cohort, paths) : async () => "none"), async (learner) =>
  existsSync(paths.learner(learner).root),
);
await makePrivateFolder(webPlaces(paths).folder);
await rm(jobsSocket(paths), { force: true });
jobs.listen(jobsSocket(paths));

insistOnGuard(paths);
process.on("SIGTERM", () => process.exit(0));
keepLabHostNodes(paths, supervisor);
void keepTurns(paths);
void keepLogsSmall(table, daemonLog(paths));
await supervisor.start();

// Not before it knows what it keeps: who asks takes what is not told for gone.
const socket = controlSocket(paths);
await rm(socket, { force: true });
const control = createServer(getRequestListener(controlApi({ supervisor, ensureHost, metrics, shutDown: () => process.exit(0) }).fetch));
// The folder is 0700, so the socket needs no mode of its own.
control.listen(socket);
// An earlier version's registry holds the port on which the web process listens.
await ensureHost().catch((error: unknown) =>
  log("error", "the cohort's own processes were not brought to what its configuration says", { error }),
);
