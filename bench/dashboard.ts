import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Collector } from "../dashboard/collector.ts";
import { seedRepository } from "../host/git/repository.ts";
import { run } from "../shared/exec.ts";
import { environments } from "../shared/names.ts";
import type { CohortOutputs } from "../shared/outputs.ts";
import { cohortPaths } from "../shared/paths.ts";
import { openBrowser, requireChromium } from "../test/support/browser.ts";
import { FakeCohort, serveCohort } from "../test/support/dashboard-cohort.ts";
import { LabState } from "../test/support/lab-state.ts";

/*
 * Measures the dashboard of 50 learners: `node bench/dashboard.ts [idle seconds]`. First paint in Chromium, with facts
 * made up; the share of one core that the collector takes while nothing happens, on 50 repositories but without a
 * daemon and processes. Prints one JSON object; docs/measurements.md keeps the figures.
 */
const idleSeconds = Number(process.argv[2] ?? 60);
const learners = 50;
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

function outputs(cohort: string): CohortOutputs {
  const { learner } = new LabState();
  const ids = Array.from({ length: learners }, (_, index) => `learner-${index}`);
  const of = (id: string) => {
    const path = join(cohortPaths(cohort).git, id, "lab.git");
    return { ...learner, id, git: { ...learner.git, url: `file://${path}` } };
  };
  return { schemaVersion: 1, cohort, course: "Bench", template: "gitops-promotion", kubernetesPlugin: { implementation: "fallback", version: "0" }, simulated: [], learners: Object.fromEntries(ids.map((id) => [id, of(id)])) };
}

async function idleShare(): Promise<number> {
  const cohort = outputs("bench-idle");
  for (const { git } of Object.values(cohort.learners)) {
    const path = new URL(git.url).pathname;
    await mkdir(path, { recursive: true });
    await run("git", ["init", "--quiet", "--bare", "--initial-branch=main", path]);
    await seedRepository(path, "main", { files: { "README.md": "# Lab\n" }, message: "Seed", author: { name: "bench", email: "bench@example.org" }, date: 1_790_000_000 });
  }
  const collector = new Collector(cohort, { verify: async () => [], writeEvidence: async () => "", startDrill: async () => {} });
  collector.start();
  const deadline = Date.now() + 60_000;
  while (collector.facts().some(({ branch }) => branch === undefined)) {
    if (Date.now() > deadline) throw new Error(`The collector did not read every repository: ${collector.facts().flatMap(({ problems }) => problems)[0]}`);
    await delay(200);
  }
  const before = process.cpuUsage();
  await delay(idleSeconds * 1000);
  const { user, system } = process.cpuUsage(before);
  collector.stop();
  return (user + system) / 1e6 / idleSeconds;
}

try {
  const paints = await firstPaints(9);
  const idle = await idleShare();
  const round = (value: number) => Math.round(value * 1000) / 1000;
  const machine = { cores: availableParallelism(), processor: cpus()[0]?.model, memoryGiB: Math.round(totalmem() / 1024 ** 3), node: process.version };
  const figures = { learners, environments: environments.length, firstPaintMs: { min: Math.round(paints[0]!), median: Math.round(paints[4]!), max: Math.round(paints.at(-1)!) }, idleShareOfOneCore: round(idle), idleSeconds };
  process.stdout.write(`${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine, ...figures }, undefined, 2)}\n`);
} finally {
  await rm(home, { recursive: true, force: true });
}
