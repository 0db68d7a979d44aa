import type { AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:https";
import { serve, type ServerType } from "@hono/node-server";
import { entryUrl, issueEntry, loopbackOrigin, readServerPort, removeExpiredEntries, removeServerPort, Sessions, writeServerPort } from "../../dashboard/access.ts";
import { Collector } from "../../dashboard/collector.ts";
import { dashboardServer } from "../../dashboard/server.ts";
import { readDaemonConfig } from "../../host/daemon/config.ts";
import { serverCertificate } from "../../host/doors/authority.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { verifyLearner } from "../../verification/verify.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { note, print } from "../terminal.ts";
import { startDrill } from "./drill.ts";
import { bundleInto } from "./evidence.ts";

export interface DashboardOptions {
  readonly port: number;
  /** Print this learner's link instead of serving. */
  readonly learner?: string | undefined;
}

/** Serves the dashboard until it is interrupted, or prints a learner's link. Returns the exit code. */
export async function dashboard(name: string, options: DashboardOptions): Promise<number> {
  const cohort = parseCohortName(name);
  return options.learner === undefined ? serveDashboard(cohort, options.port) : printLink(cohort, options.learner);
}

async function printLink(cohort: string, id: string): Promise<number> {
  const learner = selectLearner(await readOutputs(cohort), id);
  const port = await readServerPort(cohort);
  if (port === undefined) {
    throw new LabError("dashboard-down", `The dashboard of cohort ${cohort} does not run. Start it with \`./lab dashboard ${cohort}\` in another terminal and keep it open.`);
  }
  const origin = learner.open?.page ?? loopbackOrigin(port);
  print(entryUrl(origin, await issueEntry(cohort, { role: "learner", learner: learner.id })));
  note(`For ${learner.name}: it lets in once, within a day, ${learner.open === undefined ? "on this machine" : `wherever ${learner.open.name} is reached and its certificate authority (\`ca.crt\` of the handout) is trusted`}.`);
  return ExitCode.ok;
}

async function serveDashboard(cohort: string, port: number): Promise<number> {
  const outputs = await readOutputs(cohort);
  const template = labTemplate(outputs.template);
  const collector = new Collector(outputs, {
    verify: (learner) => verifyLearner(learner, template.evidence, template.environments),
    writeEvidence: async (learner, folder) => (await bundleInto(outputs, learner, folder)).verdict,
    startDrill: (learner, drill) => startDrill(outputs, drill, learner.id),
  });
  await removeExpiredEntries(cohort);
  let listening = 0;
  const sessions = new Sessions();
  const origins = () => [loopbackOrigin(listening), `http://localhost:${listening}`];
  const server = serve({ fetch: dashboardServer(collector, sessions, { origins, instructor: true }).fetch, hostname: "127.0.0.1", port });
  listening = await new Promise<number>((resolve, reject) => {
    server.once("listening", () => resolve((server.address() as AddressInfo).port));
    server.once("error", reject);
  }).catch((error: NodeJS.ErrnoException) => {
    throw new LabError("port-taken", `The dashboard can't listen on 127.0.0.1:${port} (${error.code ?? error.message}). Name another port with \`--port\`, or 0 for any.`, { exitCode: ExitCode.badInput, cause: error });
  });
  let page: ServerType | undefined;
  const interrupted = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.resolve());
  try {
    page = await openPage(cohort, collector, sessions);
    await writeServerPort(cohort, listening);
    collector.start();
    print(entryUrl(loopbackOrigin(listening), await issueEntry(cohort, { role: "instructor" })));
    note(`The link lets in once. A learner's: \`./lab dashboard ${cohort} --learner <id>\`. Ctrl-C ends the dashboard; the labs go on.`);
    await interrupted.promise;
  } finally {
    collector.stop();
    await removeServerPort(cohort);
    for (const one of [server, page]) {
      one?.close();
      if (one !== undefined && "closeAllConnections" in one) one.closeAllConnections();
    }
  }
  return ExitCode.ok;
}

/** Serves the learners' pages, and those alone, where the cohort is opened to other machines. */
async function openPage(cohort: string, collector: Collector, sessions: Sessions): Promise<ServerType | undefined> {
  const opening = (await readDaemonConfig(cohort))?.opening;
  if (opening === undefined) return undefined;
  const { listen, name, pagePort } = opening;
  const origins = [`https://${name}:${pagePort}`];
  const { certificate: cert, key } = await serverCertificate(cohortPaths(cohort));
  const { fetch } = dashboardServer(collector, sessions, { origins: () => origins, instructor: false });
  const server = serve({ fetch, hostname: listen, port: pagePort, createServer: createTlsServer, serverOptions: { cert, key } });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  }).catch((error: NodeJS.ErrnoException) => {
    throw new LabError("port-taken", `The learners' pages can't be served on ${listen}:${pagePort} (${error.code ?? error.message}), which \`access\` in the cohort file opens. \`./lab status ${cohort}\` tells what is open.`, { exitCode: ExitCode.badInput, cause: error });
  });
  note(`Learners' own pages are at ${origins[0]} as well.`);
  return server;
}
