import type { AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:https";
import { serve, type ServerType } from "@hono/node-server";
import {
  entryLink,
  entryUrl,
  issueEntry,
  loopbackOrigin,
  newToken,
  removeExpiredEntries,
  removeServer,
  writeServer,
  type Visitor,
} from "../../dashboard/access.ts";
import { archiveSource } from "../../dashboard/archive-source.ts";
import { Collector } from "../../dashboard/collector.ts";
import { dashboardServer } from "../../dashboard/server.ts";
import { Sessions } from "../../dashboard/sessions.ts";
import { isSameSecret } from "../../host/access.ts";
import { readDaemonConfig } from "../../host/daemon/config.ts";
import { serverCertificate } from "../../host/doors/authority.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { lookAtLearner } from "../../verification/verify.ts";
import { readArchivedCourse } from "../archived-course.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { note, print } from "../terminal.ts";
import { startDrill } from "./drill.ts";
import { bundleInto } from "./evidence.ts";
import { resetLearner } from "./reset.ts";

export interface DashboardOptions {
  readonly port: number;
  /** Print this learner's link instead of serving. */
  readonly learner?: string | undefined;
  /** Show this archive instead of a cohort. */
  readonly archive?: string | undefined;
  /** Of the key that must have signed the archive. */
  readonly fingerprint?: string | undefined;
}

/** Serves the dashboard until it is interrupted, or prints a learner's link. Returns the exit code. */
export async function dashboard(name: string, { port, learner, archive, fingerprint }: DashboardOptions): Promise<number> {
  if (archive !== undefined) return serveArchive(archive, fingerprint, port);
  const cohort = parseCohortName(name);
  return learner === undefined ? serveDashboard(cohort, port) : printLink(cohort, learner);
}

async function printLink(cohort: string, id: string): Promise<number> {
  const learner = selectLearner(await readOutputs(cohort), id);
  const link = await entryLink(cohort, { role: "learner", learner: learner.id }, learner.open?.page);
  if (link === undefined) {
    throw new LabError(
      "dashboard-down",
      `The dashboard of cohort ${cohort} does not run. Start it with \`./lab dashboard ${cohort}\` in another terminal and keep it open.`,
    );
  }
  print(link);
  note(
    `For ${learner.name}: it lets in once, within a day, ${learner.open === undefined ? "on this machine" : `wherever ${learner.open.name} is reached and its certificate authority (\`ca.crt\` of the handout) is trusted`}.`,
  );
  return ExitCode.ok;
}

async function serveDashboard(cohort: string, port: number): Promise<number> {
  const outputs = await readOutputs(cohort);
  const collector = collectorOf(outputs);
  await removeExpiredEntries(cohort);
  const sessions = await Sessions.ofCohort(cohort);
  let page: ServerType | undefined;
  return serveUntilInterrupted(
    (listening) => dashboardServer(collector, sessions, { origins: onLoopback(listening), instructor: true }),
    port,
    async (listening) => {
      page = await openPage(cohort, collector, sessions);
      await writeServer(cohort, listening);
      collector.start();
      print(entryUrl(loopbackOrigin(listening), await issueEntry(cohort, { role: "instructor" })));
      note(`The link lets in once. A learner's: \`./lab dashboard ${cohort} --learner <id>\`. Ctrl-C ends the dashboard; the labs go on.`);
    },
    async () => {
      collector.stop();
      await removeServer(cohort);
      if (page !== undefined) close(page);
    },
  );
}

function collectorOf(outputs: CohortOutputs): Collector {
  const { cohort } = outputs;
  const template = labTemplate(outputs.template);
  return new Collector(outputs, {
    verify: (learner) => lookAtLearner(learner, template.evidence, template.environments),
    writeEvidence: async (learner, folder) => (await bundleInto(outputs, learner, folder)).verdict,
    startDrill: (learner, drill) => startDrill(outputs, drill, learner.id),
    async reset({ id }) {
      const { backup, exitCode } = await resetLearner(id, { cohort });
      const says = `What ${id} had is in ${backup}.`;
      if (exitCode === ExitCode.ok) return `${says} Credentials are new: the learner needs a new handout.`;
      throw new LabError(
        "reset-unfinished",
        `${says} Not all of the cohort is well after it; the terminal in which the dashboard runs says what.`,
      );
    },
    outputs: () => readOutputs(cohort),
  });
}

/** Shows a course that is over. Nothing of it is on this machine but the file, so nothing is kept, either. */
async function serveArchive(file: string, fingerprint: string | undefined, port: number): Promise<number> {
  const source = archiveSource(await readArchivedCourse(file, fingerprint));
  let unused: string | undefined = newToken();
  const enter = async (token: string): Promise<Visitor | undefined> => {
    if (unused === undefined || !isSameSecret(token, unused)) return undefined;
    unused = undefined;
    return { role: "instructor" };
  };
  const sessions = new Sessions();
  return serveUntilInterrupted(
    (listening) => dashboardServer(source, sessions, { origins: onLoopback(listening), instructor: true, enter }),
    port,
    async (listening) => {
      print(entryUrl(loopbackOrigin(listening), unused ?? ""));
      note(`Cohort ${source.cohort.cohort}, archived at ${source.archived?.createdAt}. The link lets in once. Ctrl-C ends the dashboard.`);
    },
    async () => undefined,
  );
}

const onLoopback = (port: () => number) => () => [loopbackOrigin(port()), `http://localhost:${port()}`];

function close(server: ServerType): void {
  server.close();
  if ("closeAllConnections" in server) server.closeAllConnections();
}

/**
 * Listens on a loopback port until it is interrupted. Throws LabError `port-taken` (exit code 2).
 *
 * @param begin is called with the port once it listens
 */
async function serveUntilInterrupted(
  app: (listening: () => number) => ReturnType<typeof dashboardServer>,
  port: number,
  begin: (listening: number) => Promise<void>,
  end: () => Promise<void>,
): Promise<number> {
  let listening = 0;
  const server = serve({ fetch: app(() => listening).fetch, hostname: "127.0.0.1", port });
  listening = await new Promise<number>((resolve, reject) => {
    server.once("listening", () => resolve((server.address() as AddressInfo).port));
    server.once("error", reject);
  }).catch((error: NodeJS.ErrnoException) => {
    throw new LabError(
      "port-taken",
      `The dashboard can't listen on 127.0.0.1:${port} (${error.code ?? error.message}). Name another port with \`--port\`, or 0 for any.`,
      { exitCode: ExitCode.badInput, cause: error },
    );
  });
  const interrupted = Promise.withResolvers<void>();
  // Not `once`: where that is gone already when the locks' own handler runs, it ends the process there and then.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.resolve());
  try {
    await begin(listening);
    await interrupted.promise;
  } finally {
    await end();
    close(server);
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
    throw new LabError(
      "port-taken",
      `The learners' pages can't be served on ${listen}:${pagePort} (${error.code ?? error.message}), which \`access\` in the cohort file opens. \`./lab status ${cohort}\` tells what is open.`,
      { exitCode: ExitCode.badInput, cause: error },
    );
  });
  note(`Learners' own pages are at ${origins[0]} as well.`);
  return server;
}
