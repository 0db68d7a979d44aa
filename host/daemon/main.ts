import { rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { serve, getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { cohortPaths } from "../../shared/paths.ts";
import { Doors } from "../doors/doors.ts";
import { publicWeb } from "../doors/web.ts";
import { hookRoutes } from "../git/hook-routes.ts";
import { gitRoutes } from "../git/smart-http.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import { registryRoutes } from "../registry/tokens.ts";
import { controlApi } from "./control-api.ts";
import { controlSocket, readDaemonConfig } from "./config.ts";
import { FluxNotifier } from "./flux-notifier.ts";
import { keepLabHostNodes } from "./lab-host-nodes.ts";
import { recordProcess } from "./record-process.ts";
import { ProcessTable } from "./process-table.ts";
import { Supervisor } from "./supervisor.ts";

/**
 * The lab daemon of one cohort: `node main.ts <cohort>`. Keeps the cohort's processes running, serves the learners' Git
 * repositories and the registry's tokens on one loopback port, runs their pipeline, tells Flux at once of every push, and
 * answers in each cluster for the processes that its pods stand for.
 * Where the cohort file opens an address, it answers there as well.
 */
const cohort = process.argv[2];
const config = cohort === undefined ? undefined : await readDaemonConfig(cohort);
if (config === undefined) throw new Error(`lab daemon: no configuration for cohort ${cohort}`);

const paths = cohortPaths(config.cohort);
const supervisor = new Supervisor(new ProcessTable(paths.daemon), (spec, identity) => recordProcess(config.cohort, spec, identity));
const notifier = new FluxNotifier(config.cohort);
const pipeline = new Pipeline({ cohort: config.cohort, paths, onBranchMoved: (learner) => notifier.gitPushed(learner) });
const socket = controlSocket(config.cohort);

const web = new Hono().route("/", gitRoutes({ paths, hookSocket: socket })).route(
  "/",
  registryRoutes({
    paths,
    eventsToken: config.registryEventsToken,
    onImagePushed: ({ learner }) => notifier.imagePushed(learner),
  }),
);
serve({ fetch: web.fetch, hostname: "127.0.0.1", port: config.httpPort });

const doors = new Doors(config.cohort, publicWeb({ paths, hookSocket: socket, registryPort: config.registryPort }));

await rm(socket, { force: true });
const controlRoutes = controlApi(supervisor, pipeline, doors, () => process.exit(0)).route("/", hookRoutes(pipeline));
const control: Server = createServer(getRequestListener(controlRoutes.fetch));
// The folder is 0700, so the socket needs no mode of its own.
control.listen(socket);

process.on("SIGTERM", () => process.exit(0));
keepLabHostNodes(paths, supervisor);
await supervisor.start();
await doors.reload().catch((error: unknown) => console.error(error));
await pipeline.settleAll();
