import { createHash, randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { identify, isRunning, ProcessIdentity } from "../ledger/process-identity.ts";
import { cohortPaths } from "../shared/paths.ts";
import { makePrivateFolder, writePrivateFile } from "../shared/private-files.ts";
import { readState } from "../shared/state-file.ts";
import { waitUntil } from "../shared/wait.ts";

/** Who looks: the instructor at everything, a learner at what is theirs. */
export const Visitor = z.discriminatedUnion("role", [
  z.object({ role: z.literal("instructor") }),
  z.object({ role: z.literal("learner"), learner: z.string() }),
]);
export type Visitor = z.output<typeof Visitor>;

const Entry = z.object({ visitor: Visitor, expiresAt: z.iso.datetime() });

const hours = 3_600_000;
const entryLifetime = 24 * hours;

/** Where a cohort's dashboard keeps its entries, bundles and the port it listens on. */
export const dashboardFolder = (cohort: string) => join(cohortPaths(cohort).root, "dashboard");
const entriesFolder = (cohort: string) => join(dashboardFolder(cohort), "entries");
const serverFile = (cohort: string) => join(dashboardFolder(cohort), "server.json");

export const hash = (token: string) => createHash("sha256").update(token).digest("hex");
export const newToken = () => randomBytes(32).toString("base64url");

/**
 * A token that lets its bearer in once, within its lifetime in milliseconds, a day if not said otherwise. On disk is its hash alone, in a file that whoever lets somebody in
 * takes away, so that another process than the server can issue one and no two can use it.
 */
export async function issueEntry(cohort: string, visitor: Visitor, lifetime = entryLifetime): Promise<string> {
  const folder = await makePrivateFolder(entriesFolder(cohort));
  const token = newToken();
  const entry: z.input<typeof Entry> = { visitor, expiresAt: new Date(Date.now() + lifetime).toISOString() };
  await writePrivateFile(join(folder, `${hash(token)}.json`), JSON.stringify(entry));
  return token;
}

/** Who may come in with the token, which is worth nothing afterwards; undefined for any other than a fresh one. */
export async function takeEntry(cohort: string, token: string): Promise<Visitor | undefined> {
  const file = join(entriesFolder(cohort), `${hash(token)}.json`);
  // Of two that come at once, one finds nothing to rename.
  const taken = `${file}.${newToken()}`;
  try {
    await rename(file, taken);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const entry = await readState(taken, Entry, damaged);
  await rm(taken);
  return entry !== undefined && Date.parse(entry.expiresAt) > Date.now() ? entry.visitor : undefined;
}

/** Shuts a learner's page to all who could come in until now, with links and with cookies alike. */
export async function endVisits(cohort: string, learner: string): Promise<void> {
  const folder = entriesFolder(cohort);
  for (const name of await readdir(folder).catch(() => [])) {
    const entry = await readState(join(folder, name), Entry, damaged);
    if (entry?.visitor.role === "learner" && entry.visitor.learner === learner) await rm(join(folder, name), { force: true });
  }
  await writePrivateFile(endedFile(cohort, learner), JSON.stringify({ at: new Date().toISOString() }));
}

/** When a learner's visits were last ended, in milliseconds; 0 if never. */
export async function visitsEndedAt(cohort: string, learner: string): Promise<number> {
  const file = endedFile(cohort, learner);
  const ended = await readState(file, z.object({ at: z.iso.datetime() }), damaged);
  if (ended !== undefined) return Date.parse(ended.at);
  // Of a damaged one the time at which it was written stands for what it said.
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** What can't be read any more lets nobody in. */
const damaged = { orElse: undefined };

const endedFile = (cohort: string, learner: string) => join(dashboardFolder(cohort), "ended", `${learner}.json`);

/** Takes away entries that nobody used in time. */
export async function removeExpiredEntries(cohort: string): Promise<void> {
  const folder = entriesFolder(cohort);
  for (const name of await readdir(folder).catch(() => [])) {
    const entry = await readState(join(folder, name), Entry, damaged);
    if (entry === undefined || Date.parse(entry.expiresAt) <= Date.now()) await rm(join(folder, name), { force: true });
  }
}

const RunningServer = z.object({ port: z.int(), process: ProcessIdentity });
type RunningServer = z.output<typeof RunningServer>;

/** Lets other processes know where the dashboard listens: this process. */
export async function writeServer(cohort: string, port: number): Promise<void> {
  await writePrivateFile(serverFile(cohort), JSON.stringify({ port, process: identify(process.pid)! } satisfies RunningServer));
}

/** The dashboard that runs; undefined where none does, also where one was killed and left its note. */
async function runningServer(cohort: string): Promise<RunningServer | undefined> {
  const server = await readState(serverFile(cohort), RunningServer, damaged);
  return server !== undefined && isRunning(server.process) ? server : undefined;
}

/** The port on which the cohort's dashboard listens; undefined where none runs. */
export async function readServerPort(cohort: string): Promise<number | undefined> {
  return (await runningServer(cohort))?.port;
}

export async function removeServer(cohort: string): Promise<void> {
  await rm(serverFile(cohort), { force: true });
}

/** Ends the cohort's dashboard, as Ctrl-C would, and waits until it is gone. */
export async function endServer(cohort: string): Promise<void> {
  const server = await runningServer(cohort);
  if (server === undefined || server.process.pid === process.pid) return;
  process.kill(server.process.pid, "SIGTERM");
  await waitUntil(async () => (isRunning(server.process) ? { done: false, because: "it still runs." } : { done: true, value: undefined }), {
    what: `the dashboard of cohort ${cohort} to end`,
    timeoutSeconds: 10,
    remedy: `End it with \`kill -9 ${server.process.pid}\`.`,
  });
}

/**
 * A link that lets in once: to everything for the instructor, to their own page for a learner. Undefined where the cohort's
 * dashboard does not run, without which a link leads nowhere.
 *
 * @param origin where an opened cohort shows learners' pages; loopback where it is not given
 */
export async function entryLink(cohort: string, visitor: Visitor, origin?: string): Promise<string | undefined> {
  const port = await readServerPort(cohort);
  return port === undefined ? undefined : entryUrl(origin ?? loopbackOrigin(port), await issueEntry(cohort, visitor));
}

export const entryUrl = (origin: string, token: string) => `${origin}/enter?token=${token}`;

export const loopbackOrigin = (port: number) => `http://127.0.0.1:${port}`;
