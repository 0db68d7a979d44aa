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
import { gateOf } from "../../dashboard/gate.ts";
import { servePages } from "../../dashboard/pages/serve.ts";
import type { Places } from "../../dashboard/pages/words.ts";
import { Sessions } from "../../dashboard/sessions.ts";
import { isSameSecret } from "../../host/access.ts";
import { readDaemonConfig, type DaemonConfig } from "../../host/processes/config.ts";
import { serverCertificate } from "../../host/doors/authority.ts";
import { startPages } from "../../host/room/pages.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { ExitCode, LabError } from "../../shared/errors.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { parseCohortName } from "../../stacks/load-spec.ts";
import { lookAtLearner } from "../../verification/verify.ts";
import { readArchivedCourse } from "../course/archived-course.ts";
import { selectLearner } from "../learners.ts";
import { readOutputs } from "../outputs.ts";
import { note, print } from "../terminal.ts";
import { startDrill } from "./drill.ts";
import { bundleInto } from "./evidence.ts";
import { resetLearner } from "../reset/reset.ts";

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
  const config = await readDaemonConfig(cohortPaths(cohort));
  const open = await openPlace(cohort, config);
  const pages = await servePages(gateOf(collector, await Sessions.ofCohort(cohort)), { loopback: port, ...(open && { open }) }, () =>
    startPages(cohort, config?.isolation ?? "none"),
  );
  return untilInterrupted(
    async () => {
      await writeServer(cohort, pages.port);
      collector.start();
      print(entryUrl(loopbackOrigin(pages.port), await issueEntry(cohort, { role: "instructor" })));
      if (open !== undefined) note(`Learners' own pages are at https://${open.name}:${open.port} as well.`);
      note(`The link lets in once. A learner's: \`./lab dashboard ${cohort} --learner <id>\`. Ctrl-C ends the dashboard; the labs go on.`);
    },
    async () => {
      collector.stop();
      await removeServer(cohort);
      await pages[Symbol.asyncDispose]();
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
  const pages = await servePages(gateOf(source, new Sessions(), enter), { loopback: port }, () => startPages(undefined, "none"));
  return untilInterrupted(
    async () => {
      print(entryUrl(loopbackOrigin(pages.port), unused ?? ""));
      note(`Cohort ${source.cohort.cohort}, archived at ${source.archived?.createdAt}. The link lets in once. Ctrl-C ends the dashboard.`);
    },
    async () => pages[Symbol.asyncDispose](),
  );
}

/** Goes on until it is interrupted. */
async function untilInterrupted(begin: () => Promise<void>, end: () => Promise<void>): Promise<number> {
  const interrupted = Promise.withResolvers<void>();
  // Not `once`: where that is gone already when the locks' own handler runs, it ends the process there and then.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.resolve());
  try {
    await begin();
    await interrupted.promise;
  } finally {
    await end();
  }
  return ExitCode.ok;
}

/** Where the learners' pages are served, and those alone, when the cohort is opened to other machines. */
async function openPlace(cohort: string, config: DaemonConfig | undefined): Promise<Places["open"]> {
  if (config?.opening === undefined) return undefined;
  const { listen, name, pagePort } = config.opening;
  const { certificate, key } = await serverCertificate(cohortPaths(cohort));
  return { listen, name, port: pagePort, certificate: String(certificate), key: String(key) };
}
