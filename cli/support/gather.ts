import { readdir, readFile } from "node:fs/promises";
import { hostname, release } from "node:os";
import { fileURLToPath } from "node:url";
import pLimit from "p-limit";
import { z } from "zod";
import { notedLearners } from "../../ledger/creation.ts";
import { daemonMetrics, daemonVersionOf, processStatus } from "../../host/processes/client.ts";
import { daemonLog, daemonVersion } from "../../host/processes/config.ts";
import { cohortLogs, lastLines, learnerLogs, type LogPart } from "../../host/processes/log-parts.ts";
import { limitHitsOfCohort } from "../../host/limits/hits.ts";
import { readInventory } from "../../ledger/inventory.ts";
import { callersEnvironment, childEnvironment } from "../../shared/environment.ts";
import { messageOf } from "../../shared/errors.ts";
import { run } from "../../shared/exec.ts";
import { largestPersonFile } from "../../shared/person-file.ts";
import { cacheHome, cohortPaths, labHome } from "../../shared/paths.ts";
import { productVersion } from "../../shared/version.ts";
import { readYaml } from "../../shared/yaml.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { toolPath } from "../../tools/locate.ts";
import { cohortFileText, projectFolder } from "../cohort-file.ts";
import { pulumiProject } from "../project.ts";
import { withoutSecrets } from "../course/archive.ts";
import { readLastRun } from "../last-run.ts";
import { nameIn } from "../../shared/urn.ts";

/** What is gathered, by name in the bundle. Each part is there or says why it is not: none keeps the others away. */
export type Parts = ReadonlyMap<string, () => Promise<string>>;

export const linesOfALog = 1000;
const patienceMs = 60_000;

/** The parts of a cohort's bundle, as they are, with what is secret still in them. */
export async function partsOf(cohort: string): Promise<Parts> {
  const paths = cohortPaths(cohort);
  const learners = (await notedLearners(paths)).sort();
  const [log, one] = [daemonLog(paths), pLimit(1)];
  const logs = async (prefix: string, parts: readonly LogPart[]) =>
    parts.map((part) => [`logs/${prefix}${part.name}.log`, () => one(() => endOf(part))] as const);
  return new Map<string, () => Promise<string>>([
    ["versions.json", async () => json(await versions(cohort))],
    // As whoever reads the bundle would run them.
    ["doctor.txt", () => said("doctor")],
    ["doctor.json", () => said("doctor", "--json")],
    ["status.txt", () => said("status", cohort)],
    ["status.json", () => said("status", cohort, "--json")],
    ["processes.json", async () => json(await processStatus(paths))],
    ["metrics.txt", async () => (await daemonMetrics(paths)) ?? "The lab daemon does not answer.\n"],
    ["cohort.json", async () => json(await cohortFile(cohort))],
    ["inventory.json", async () => json(await readInventory(cohort))],
    ["state.json", async () => json(await stateSummary(cohort))],
    ["last-run.json", async () => json(await readLastRun(paths))],
    ["limit-hits.json", async () => json(await limitHitsOfCohort(paths))],
    ...(await logs("", cohortLogs(paths, log))),
    ...(await Promise.all(learners.map(async (id) => logs(`${id}/`, (await learnerLogs(paths, log, id)).filter(isOwn))))).flat(),
  ]);
}

/** Those that tell of one learner in the cohort's own logs are there already. */
const isOwn = ({ name }: LogPart) => name !== "pipeline" && name !== "daemon";

const json = (value: unknown) => `${JSON.stringify(value ?? null, null, 2)}\n`;

async function endOf(part: LogPart): Promise<string> {
  return (await lastLines(part, linesOfALog)).lines.map((line) => `${line}\n`).join("");
}

/** What `./lab` says, in a process of its own, so that whatever befalls it is in the bundle too. */
async function said(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run(process.execPath, [fileURLToPath(new URL("../main.ts", import.meta.url)), ...args], {
    cwd: projectFolder,
    env: childEnvironment("lab", { NO_COLOR: "1" }),
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: patienceMs,
  });
  if (args.includes("--json") && stdout !== "") return stdout;
  return `${stdout}\n--- standard error\n${stderr}\n--- exit code ${exitCode ?? "none: it took too long"}\n`;
}

async function versions(cohort: string): Promise<unknown> {
  const distribution = /^PRETTY_NAME="?([^"\n]+)/m.exec(await readFile("/etc/os-release", "utf8").catch(() => ""))?.[1];
  return {
    takenAt: new Date().toISOString(),
    lab: productVersion(),
    daemon: { program: daemonVersion, running: (await daemonVersionOf(cohortPaths(cohort))) ?? null },
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    kernel: release(),
    distribution: distribution ?? null,
    host: hostname(),
    isRoot: process.getuid?.() === 0,
    locale: callersEnvironment()["LC_ALL"] ?? callersEnvironment()["LANG"] ?? null,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    home: labHome(),
    cache: cacheHome(),
    inHome: await readdir(labHome()).catch((error: unknown) => messageOf(error)),
  };
}

async function cohortFile(cohort: string): Promise<unknown> {
  const text = await cohortFileText(cohort);
  if (text === undefined) return { problem: "There is no cohort file." };
  const yaml = readYaml(text, largestPersonFile);
  return "content" in yaml ? withoutSecrets(yaml.content) : { problem: `It ${yaml.problem}.` };
}

const Exported = z.object({
  deployment: z.object({
    manifest: z.object({ time: z.string(), version: z.string() }).partial().optional(),
    resources: z
      .array(z.object({ urn: z.string(), type: z.string(), custom: z.boolean().default(false), delete: z.boolean().default(false) }))
      .default([]),
    pending_operations: z.array(z.object({ type: z.string(), resource: z.object({ urn: z.string() }) })).nullish(),
  }),
});

/** What Pulumi's state has, without any input or output of a resource. */
async function stateSummary(cohort: string): Promise<unknown> {
  const result = await run(await toolPath("pulumi"), ["stack", "export", "--stack", cohort, "--non-interactive"], {
    cwd: await pulumiProject(cohort),
    env: await pulumiEnvironment(),
    reject: false,
    stdin: "ignore",
    timeout: patienceMs,
    maxBuffer: 512 * 1024 * 1024,
  });
  if (result.exitCode !== 0) return { problem: result.stderr.trim().split("\n").at(-1) ?? "" };
  const exported = Exported.safeParse(JSON.parse(result.stdout));
  if (!exported.success) return { problem: "The state is not in the form that this version knows." };
  const { manifest, resources, pending_operations: pending } = exported.data.deployment;
  return {
    writtenAt: manifest?.time,
    engine: manifest?.version,
    resources: resources.map(({ urn, type, custom, delete: leaving }) => ({
      type,
      name: nameIn(urn),
      custom,
      ...(leaving && { leaving }),
    })),
    pending: (pending ?? []).map(({ type, resource }) => ({ type, name: nameIn(resource.urn) })),
  };
}
