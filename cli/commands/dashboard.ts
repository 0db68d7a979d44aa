import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { entryLink, entryUrl, issueEntry, removeExpiredEntries, removeServer, Sessions, writeServer } from "../../dashboard/access.ts";
import { Collector } from "../../dashboard/collector.ts";
import { dashboardServer } from "../../dashboard/server.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
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
  const link = await entryLink(cohort, { role: "learner", learner: learner.id });
  if (link === undefined) {
    throw new LabError("dashboard-down", `The dashboard of cohort ${cohort} does not run. Start it with \`./lab dashboard ${cohort}\` in another terminal and keep it open.`);
  }
  print(link);
  note(`For ${learner.name}: it lets in once, within a day, on this machine.`);
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
  const server = serve({ fetch: dashboardServer(collector, new Sessions(), () => listening).fetch, hostname: "127.0.0.1", port });
  listening = await new Promise<number>((resolve, reject) => {
    server.once("listening", () => resolve((server.address() as AddressInfo).port));
    server.once("error", reject);
  }).catch((error: NodeJS.ErrnoException) => {
    throw new LabError("port-taken", `The dashboard can't listen on 127.0.0.1:${port} (${error.code ?? error.message}). Name another port with \`--port\`, or 0 for any.`, { exitCode: ExitCode.badInput, cause: error });
  });
  const interrupted = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.resolve());
  try {
    await writeServer(cohort, listening);
    collector.start();
    print(entryUrl(listening, await issueEntry(cohort, { role: "instructor" })));
    note(`The link lets in once. A learner's: \`./lab dashboard ${cohort} --learner <id>\`. Ctrl-C ends the dashboard; the labs go on.`);
    await interrupted.promise;
  } finally {
    collector.stop();
    await removeServer(cohort);
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  }
  return ExitCode.ok;
}
