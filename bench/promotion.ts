import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { withWorkbench } from "../host/workbench/workbench.ts";
import type { Backstage } from "../lab-templates/workbench.ts";
import { environments, type Environment } from "../shared/names.ts";
import { desiredImage, overlayPath } from "../verification/desired-image.ts";
import { recordPath } from "../verification/promotion-record.ts";
import { lookAtRollout } from "../verification/rollout.ts";
import { TestCohort } from "../test/support/lab-cli.ts";

/*
 * Measures the way of an image: `node bench/promotion.ts [runs]`. One learner, the template's own intervals. Seconds from
 * the moment a command is given until every pod of the environment is Ready with that digest. Prints one JSON object with
 * the minimum, median and maximum; docs/measurements.md keeps the figures.
 */
const runs = Number(process.argv[2] ?? 5);
const home = await mkdtemp(join(tmpdir(), "gl-bench-"));
const cohort = new TestCohort("e2e-bench-promotion", join(home, "lab"), ["ada"]);
const seconds: Record<string, number[]> = {};

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  (seconds[what] ??= []).push((performance.now() - started) / 1000);
  return result;
}

const running = (bench: Backstage, environment: Environment, digest: string) =>
  bench.waitFor(
    `${environment} to run ${digest}`,
    async (context) => ((await lookAtRollout(context, environment)).digest === digest ? true : undefined),
    90,
  );

async function image(bench: Backstage, environment: Environment): Promise<{ tag: string; digest: string }> {
  return bench.observe(async ({ git, learner }) => {
    const found = await desiredImage(git, await git.head(), environment, learner.registry.repository);
    return { tag: found?.tag ?? "", digest: found?.digest ?? "" };
  });
}

async function promote(bench: Backstage, from: Environment, to: Environment): Promise<void> {
  const { tag, digest } = await image(bench, from);
  await timed(`promotion pushed -> ${to} runs it`, async () => {
    await bench.commit(`Promote to ${to}`, (files) => files.write(recordPath(to), `tag: ${tag}\ndigest: ${digest}\n`));
    await running(bench, to, digest);
  });
}

async function measure(bench: Backstage, version: string): Promise<void> {
  const before = await image(bench, "production");
  const built = await timed("app/ pushed -> built, tagged, push answered", () =>
    bench.commit(`Ship ${version}`, async (files) => {
      await files.write("app/VERSION", `${version}\n`);
      await files.write("app/version.go", `package main\n\n// Ships ${version}.\n`);
    }),
  );
  const digest = await bench.observe(
    async ({ git }) => (await git.journal()).get(built)?.flatMap((entry) => (entry.event === "built" ? [entry.digest] : []))[0] ?? "",
  );
  await running(bench, "develop", digest);
  const time = Math.floor(Date.now() / 1000) + 1;
  await timed("image tagged -> develop runs it", async () => {
    await bench.tag(before.digest, `develop-v0.1.${time % 1000}-abcdef0-${time}`);
    await running(bench, "develop", before.digest);
  });
  await bench.tag(digest, `develop-v${version}-${built.slice(0, 7)}-${time + 1}`);
  await running(bench, "develop", digest);
  await promote(bench, "develop", "staging");
  await promote(bench, "staging", "production");
  const update = await bench.observe(async ({ git }) => (await git.log(overlayPath("production")))[0]?.id ?? "");
  await timed("revert pushed -> production restored", async () => {
    await bench.revert(update);
    await running(bench, "production", before.digest);
  });
  await timed("`./lab verify ada`, whole process", async () => void (await cohort.lab("verify", "ada", "--cohort", cohort.name)));
}

try {
  await cohort.writeFile();
  const up = await cohort.lab("up", cohort.name);
  if (up.exitCode !== 0) throw new Error(up.stderr + up.stdout);
  const learner = (await cohort.outputs()).learners["ada"]!;
  process.env["GITOPS_LAB_HOME"] = cohort.home;
  await withWorkbench(cohort.name, learner, environments, async (bench) => {
    for (let index = 1; index <= runs; index += 1) await measure(bench, `0.3.${index}`);
  });
  const round = (value: number) => Math.round(value * 10) / 10;
  const figures = Object.fromEntries(
    Object.entries(seconds).map(([what, all]) => {
      const sorted = all.toSorted((a, b) => a - b);
      return [
        what,
        { min: round(sorted[0]!), median: round(sorted[Math.floor(sorted.length / 2)]!), max: round(sorted.at(-1)!), runs: all.length },
      ];
    }),
  );
  const machine = {
    cores: availableParallelism(),
    processor: cpus()[0]?.model,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    node: process.version,
  };
  process.stdout.write(`${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine, seconds: figures }, undefined, 2)}\n`);
} finally {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(home, { recursive: true, force: true });
}
