import { mkdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cohortPaths } from "../../shared/paths.ts";
import { Doors } from "../doors/doors.ts";
import { publicWeb } from "./public.ts";
import { hookRoutes } from "../git/hook-routes.ts";
import { daemonJobs } from "../jobs/client.ts";
import { recordLimitHit } from "../limits/hits.ts";
import { limitsForWeb } from "../limits/stored.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import { imageStorage, registrySocket } from "../registry/config.ts";
import { registryFront } from "../registry/front.ts";
import { ImageQuota, mostNames } from "../registry/image-quota.ts";
import { isInRoom, readApiPorts, readWebConfig } from "../processes/web-config.ts";
import { webControlApi } from "./control-api.ts";
import { FluxNotifier } from "./flux-notifier.ts";
import { capped, connections, outside, outsideOptions } from "../doors/outside.ts";
import { webPlaces } from "../processes/web-places.ts";
import { answeredBy, loopbackRoutes, wayListeners } from "./routes.ts";
import { Ways } from "./ways.ts";
import { log, logWhatEndsThis } from "../log.ts";

/**
 * The web process of one cohort: `node main.ts <cohort>`. Everything that outsiders talk to is here: the learners' Git
 * repositories and the registry's tokens on one loopback port, the images on another, both again on the ways of each
 * learner's room and, where the cohort file opens an address, behind its doors. It runs the pipeline and tells Flux of every push.
 * What it writes is below its own folder, below `git/` and in `ways/`.
 */
const cohort = process.argv[2];
const config = cohort === undefined ? undefined : await readWebConfig(cohortPaths(cohort));
if (config === undefined) throw new Error(`lab web process: no configuration for cohort ${cohort}`);

logWhatEndsThis();
const paths = cohortPaths(config.cohort);
const { socket, scratch } = webPlaces(paths);
// Builds that an earlier process was killed in.
await rm(scratch, { recursive: true, force: true });
await mkdir(scratch, { mode: 0o700 });

const notifier = new FluxNotifier(config.cohort);
const pipeline = new Pipeline({
  cohort: config.cohort,
  paths,
  jobs: daemonJobs(paths),
  onBranchMoved: (learner) => notifier.gitPushed(learner),
});
const quota = new ImageQuota({
  storage: imageStorage(paths),
  limits: async () => {
    const { layer, disk } = await limitsForWeb(paths);
    return { ...mostNames, layer, images: disk.images };
  },
  onRefused: (learner, limit, said) =>
    void recordLimitHit(paths.learner(learner), limit, said).catch((error: unknown) =>
      log("error", "a limit that was hit could not be noted", { learner, error }),
    ),
});
const images = { paths, upstream: { socketPath: registrySocket(paths) }, quota };
const git = {
  paths,
  hookSocket: socket,
  // Clusters elsewhere have no way of their own: their Flux comes by the doors.
  refusesFlux: (learner: string) => isInRoom(paths, learner),
};
const routes = loopbackRoutes({
  ...git,
  eventsToken: config.registryEventsToken,
  onImagePushed: ({ learner }) => notifier.imagePushed(learner),
});
const ways = new Ways(paths, wayListeners({ paths, hookSocket: socket }, images));
const doors = new Doors(paths, publicWeb({ ...git, registryPort: config.registryPort }), () => readApiPorts(paths));

await listen(capped(createServer(outsideOptions, answeredBy(routes)), connections.cohort), config.httpPort);
await listen(capped(createServer(outsideOptions, outside(registryFront(images))), connections.cohort), config.registryPort);
await ways.openAll();
const commands = new Hono()
  .use(bodyLimit({ maxSize: 4 * 1024 * 1024 }))
  .route("/", webControlApi({ pipeline, doors, ways }))
  .route("/", hookRoutes(pipeline));
await rm(socket, { force: true });
// The folder is 0700, so the socket needs no mode of its own. Last: whoever is answered here finds all the others open.
createServer(getRequestListener(commands.fetch)).listen(socket);

process.on("SIGTERM", () => process.exit(0));
await doors.reload().catch((error: unknown) => log("error", "the doors were not opened", { error }));
await pipeline.settleAll();

/** Rejects where somebody else has the port, which ends this process: the supervisor starts it again. */
function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", () => {
      server.removeListener("error", reject).on("error", (error) => log("error", "a server failed", { error }));
      resolve();
    });
  });
}
