import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cgroupMembers } from "../host/room/cgroups.ts";
import { cgroupOf } from "../host/room/groups.ts";
import { findMarked } from "../ledger/process-identity.ts";
import { cohortPaths } from "../shared/paths.ts";
import { TestCohort } from "../test/support/lab-cli.ts";
import { machine } from "./machine.ts";

/*
 * Measures a cohort with tools installed: `node bench/cohort.ts [learners] [idle seconds] [nodes]`. Prints one JSON object; times
 * are seconds of the whole `./lab` process, memory is MiB. docs/measurements.md keeps the figures.
 */
const learners = Number(process.argv[2] ?? 1);
const idleSeconds = Number(process.argv[3] ?? 30);
const nodes = process.argv[4] ?? "simulated";
const home = await mkdtemp(join(tmpdir(), "gl-bench-"));
const cohort = new TestCohort(
  `e2e-bench-${learners}`,
  join(home, "lab"),
  Array.from({ length: learners }, (_, index) => `l${index + 1}`),
  undefined,
  { kind: "embedded", nodes },
);
await cohort.writeFile();

interface Timed {
  readonly seconds: number;
  readonly exitCode: number;
  readonly loadBefore: number;
}

async function timed(...args: string[]): Promise<Timed> {
  const loadBefore = Number((await readFile("/proc/loadavg", "utf8")).split(" ")[0]);
  const started = Date.now();
  const { exitCode, stdout, stderr } = await cohort.lab(...args);
  if (exitCode !== 0) process.stderr.write(stderr + stdout);
  return { seconds: (Date.now() - started) / 1000, exitCode, loadBefore };
}

interface Memory {
  processes: number;
  rss: number;
  anonymous: number;
  pss: number;
}

/**
 * Resident memory by program: `rss` counts pages that processes share once per process, `pss` divides them; `anonymous` is what
 * of `rss` no file holds.
 */
async function memory(): Promise<Record<string, Memory>> {
  const byProgram: Record<string, Memory> = {};
  for (const pid of await processIds()) {
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    const mib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(rollup)?.[1] ?? 0) / 1024;
    const name = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
    const program = (byProgram[name] ??= { processes: 0, rss: 0, anonymous: 0, pss: 0 });
    program.processes += 1;
    program.rss += mib("Rss");
    program.anonymous += mib("Anonymous");
    program.pss += mib("Pss");
  }
  return byProgram;
}

/** Containers carry no mark and are found by their control group. */
async function processIds(): Promise<ReadonlySet<number>> {
  const { daemon, learner } = cohortPaths(cohort.name, cohort.home);
  const ids = new Set(findMarked(daemon).map(({ identity }) => identity.pid));
  for (let index = 1; index <= learners; index += 1) {
    const cgroup = await cgroupOf(learner(`l${index}`));
    for (const pid of cgroup === undefined ? [] : await cgroupMembers(cgroup)) ids.add(pid);
  }
  return ids;
}

/** Seconds of processor time that the cohort's processes have used. */
async function processorSeconds(): Promise<number> {
  const stats = await Promise.all([...(await processIds())].map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")));
  const ticks = stats
    .map((stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" "))
    .map((fields) => Number(fields[11] ?? 0) + Number(fields[12] ?? 0));
  return ticks.reduce((sum, value) => sum + value, 0) / 100;
}

try {
  const up = await timed("up", cohort.name);
  const upAgain = await timed("up", cohort.name);
  const verify = await timed("verify", "l1", "--cohort", cohort.name);
  const before = await processorSeconds();
  await delay(idleSeconds * 1000);
  const idleCores = ((await processorSeconds()) - before) / idleSeconds;
  const byProgram = await memory();
  const total = (field: "rss" | "anonymous" | "pss") => Object.values(byProgram).reduce((sum, program) => sum + program[field], 0);
  const down = await timed("down", cohort.name);
  const round = (_key: string, value: unknown) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
  const report = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    learners,
    nodes,
    up,
    upAgain,
    verify,
    down,
    downPerLearner: down.seconds / learners,
    idleCoresPerLearner: idleCores / learners,
    residentPerLearner: { rss: total("rss") / learners, anonymous: total("anonymous") / learners, pss: total("pss") / learners },
    byProgram,
  };
  process.stdout.write(`${JSON.stringify(report, round, 2)}\n`);
} finally {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(home, { recursive: true, force: true });
}
