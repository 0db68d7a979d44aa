import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readOutputs } from "../cli/outputs.ts";
import { Collector } from "../dashboard/collector.ts";
import { processStatus } from "../host/processes/client.ts";
import { controlSocket } from "../host/processes/config.ts";
import { seedRepository } from "../host/git/repository.ts";
import { labTemplate } from "../lab-templates/templates.ts";
import { run } from "../shared/exec.ts";
import { environments } from "../shared/names.ts";
import type { CohortOutputs, LearnerOutputs } from "../shared/outputs.ts";
import { cohortPaths, labHome } from "../shared/paths.ts";
import { makePrivateFolder } from "../shared/private-files.ts";
import { statFields } from "../shared/proc.ts";
import { openBrowser, requireChromium } from "../test/support/browser.ts";
import { FakeCohort, serveCohort } from "../test/support/dashboard-cohort.ts";
import { LabState } from "../test/support/lab-state.ts";
import { lookAtLearner, type LearnerLook } from "../verification/verify.ts";

/*
 * Measures the dashboard of 50 learners: `node bench/dashboard.ts [idle seconds] [cohort]`. First paint in Chromium, with
 * facts made up; then the share of one core that the collector takes while nothing happens. Without a cohort that is on 50
 * empty repositories, with neither daemon nor processes nor checklists. With one, which must be up, every one of the 50 is
 * its first learner: the collector reads that repository 50 times, weighs that learner's processes and verifies that lab
 * at its usual rate, and a stand-in for the daemon tells 50 times those processes. Prints one JSON object;
 * docs/measurements.md keeps the figures.
 */
const idleSeconds = Number(process.argv[2] ?? 60);
const model = process.argv[3];
const learners = 50;
const modelOutputs = model === undefined ? undefined : await readOutputs(model);
const modelProcesses = model === undefined ? [] : await processStatus(cohortPaths(model));
const modelHome = labHome();
const home = await mkdtemp(join(tmpdir(), "gl-bench-"));
process.env["GITOPS_LAB_HOME"] = home;

async function firstPaints(runs: number): Promise<number[]> {
  await requireChromium();
  const cohort = new FakeCohort("bench", learners);
  await using dashboard = await serveCohort(cohort);
  await using browser = await openBrowser({ viewport: { width: 1280, height: 900 } });
  const page = await browser.newPage();
  await page.goto(await dashboard.entry({ role: "instructor" }));
  await page.waitForURL(`${dashboard.origin}/`);
  const paints: number[] = [];
  for (let number = 0; number < runs; number += 1) {
    await page.goto("about:blank");
    await page.goto(dashboard.origin);
    await page.getByText("Live", { exact: true }).waitFor();
    paints.push(await page.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0].startTime"));
  }
  return paints.toSorted((a, b) => a - b);
}

const ids = Array.from({ length: learners }, (_, index) => `learner-${index}`);

function madeUp(cohort: string): CohortOutputs {
  const { learner } = new LabState();
  const of = (id: string) => {
    const path = join(cohortPaths(cohort).git, id, "lab.git");
    return { ...learner, id, git: { ...learner.git, url: `file://${path}` } };
  };
  return {
    schemaVersion: 1,
    cohort,
    course: "Bench",
    template: "gitops-promotion",
    kubernetesPlugin: { implementation: "fallback", version: "0" },
    simulated: [],
    learners: Object.fromEntries(ids.map((id) => [id, of(id)])),
  };
}

async function makeRepositories({ learners: all }: CohortOutputs): Promise<void> {
  for (const { git } of Object.values(all)) {
    const path = new URL(git.url).pathname;
    await mkdir(path, { recursive: true });
    await run("git", ["init", "--quiet", "--bare", "--initial-branch=main", path]);
    await seedRepository(path, "main", {
      files: { "README.md": "# Lab\n" },
      message: "Seed",
      author: { name: "bench", email: "bench@example.org" },
      date: 1_790_000_000,
    });
  }
}

/** Answers as the daemon of 50 learners would, each with the processes of the one. */
async function standInDaemon(cohort: string, one: string): Promise<Server> {
  const own = modelProcesses.filter(({ owner }) => owner === one);
  const all = ids.flatMap((id) => own.map((process) => ({ ...process, owner: id, name: process.name.replace(one, id) })));
  await makePrivateFolder(cohortPaths(cohort).daemon);
  const server = createServer((_, response) => response.setHeader("content-type", "application/json").end(JSON.stringify(all)));
  await new Promise<void>((resolve) => server.listen(controlSocket(cohortPaths(cohort)), resolve));
  return server;
}

interface Idle {
  readonly share: number;
  /** Processor seconds of one look at a checklist; the collector looks at each learner's every half hour. */
  readonly verification: number;
}

async function idle(): Promise<Idle> {
  const name = "bench-idle";
  const made = madeUp(name);
  const first = modelOutputs && Object.values(modelOutputs.learners)[0]!;
  const cohort: CohortOutputs =
    first === undefined ? made : { ...made, learners: Object.fromEntries(ids.map((id) => [id, { ...first, id }])) };
  if (first === undefined) await makeRepositories(cohort);
  const daemon = first && (await standInDaemon(name, first.id));
  // Where the repository of a learner is on this machine the collector looks at its signs, so it must seem to be there.
  for (const id of first === undefined ? [] : ids) {
    await mkdir(join(cohortPaths(name).git, id), { recursive: true });
    await symlink(
      join(cohortPaths(modelOutputs!.cohort, modelHome).git, first!.id, basename(new URL(first!.git.url).pathname)),
      join(cohortPaths(name).git, id, basename(new URL(first!.git.url).pathname)),
    );
  }
  const { evidence, environments: stages } = labTemplate(cohort.template);
  const nothing: LearnerLook = { reports: [], promotion: { status: "error", reason: "no lab" } };
  const verify = async (learner: LearnerOutputs) => (first === undefined ? nothing : lookAtLearner(learner, evidence, stages));
  const collector = new Collector(cohort, {
    verify,
    writeEvidence: async () => "",
    startDrill: async () => {},
    reset: async () => "",
    outputs: async () => cohort,
  });
  collector.start();
  const isReady = () => collector.facts().every(({ branch, checklist }) => branch !== undefined && checklist !== undefined);
  for (const deadline = Date.now() + 240_000; !isReady(); await delay(200)) {
    if (Date.now() > deadline)
      throw new Error(`The collector did not look at everything: ${collector.facts().flatMap(({ problems }) => problems)[0]}`);
  }
  const before = cpuSeconds();
  await delay(idleSeconds * 1000);
  const share = (cpuSeconds() - before) / idleSeconds;
  collector.stop();
  daemon?.close();
  const looks = 10;
  const beforeLooks = cpuSeconds();
  for (let look = 0; look < looks; look += 1) await verify(Object.values(cohort.learners)[0]!);
  return { share, verification: (cpuSeconds() - beforeLooks) / looks };
}

/** Of this process and of the programs that it ran. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + childSeconds();
}

/** What programs that this process ran and waited for have used, in seconds: fields 16 and 17 of proc_pid_stat(5), 100 a second. */
function childSeconds(): number {
  const fields = statFields(process.pid)!;
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

try {
  const paints = await firstPaints(9);
  const { share, verification } = await idle();
  const everyHalfHour = (verification * learners) / 1800;
  const round = (value: number) => Math.round(value * 1000) / 1000;
  const machine = {
    cores: availableParallelism(),
    processor: cpus()[0]?.model,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    node: process.version,
  };
  const figures = {
    learners,
    environments: environments.length,
    firstPaintMs: { min: Math.round(paints[0]!), median: Math.round(paints[4]!), max: Math.round(paints.at(-1)!) },
    idleShareOfOneCore: round(share),
    idleSeconds,
    ...(model !== undefined && { cpuSecondsOfOneChecklist: round(verification), idleShareWithChecklists: round(share + everyHalfHour) }),
    loadAverage: loadavg()[0],
  };
  process.stdout.write(`${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine, ...figures }, undefined, 2)}\n`);
} finally {
  await rm(home, { recursive: true, force: true });
}
