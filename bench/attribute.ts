import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { ProgressEvent } from "../cli/progress/events.ts";
import { findMarked } from "../ledger/process-identity.ts";
import { cohortPaths } from "../shared/paths.ts";
import { TestCohort } from "../test/support/lab-cli.ts";
import { Accounting } from "./attribute/accounting.ts";
import { Census } from "./attribute/census.ts";
import { machine } from "./machine.ts";

/*
 * Where the time of a cohort goes: `node bench/attribute.ts [learners] [nodes]`, as root, with Debian's package acct. Runs `up`,
 * `up` again and `down`, and prints one JSON object: seconds of processor time by program, however short its processes were, and
 * seconds of wall time by step. docs/performance.md keeps the figures.
 */
const learners = Number(process.argv[2] ?? 1);
const nodes = process.argv[3] ?? "simulated";
const home = await mkdtemp(join(tmpdir(), "gl-attr-"));
const ids = Array.from({ length: learners }, (_, index) => `l${index + 1}`);
const cohort = new TestCohort(`e2e-attribute-${learners}`, join(home, "lab"), ids, undefined, { kind: "embedded", nodes });
const { daemon } = cohortPaths(cohort.name, cohort.home);

const eventsOf = (text: string) =>
  text.split("\n").flatMap((line) => {
    const event = line.startsWith("{") ? ProgressEvent.safeParse(JSON.parse(line)) : undefined;
    return event?.success ? [event.data] : [];
  });

/** One command of `./lab`, with what it took. */
async function attributed(accounting: Accounting, ...args: string[]) {
  await accounting.read();
  const load = loadavg()[0];
  const marked = new Set(findMarked(daemon).map(({ identity }) => identity.pid));
  const roots = new Set<number>();
  const census = new Census((pid) => marked.has(pid) || roots.has(pid));
  const began = performance.now();
  const running = cohort.startLab(...args);
  roots.add(running.pid!);
  const looking = setInterval(() => census.look(), 40);
  const { exitCode, stdout = "", stderr } = await running;
  clearInterval(looking);
  const wall = (performance.now() - began) / 1000;
  if (exitCode !== 0) process.stderr.write(`${stderr}${stdout}`);
  const programs = census.tally(await accounting.read());
  const steps = Map.groupBy(
    eventsOf(String(stdout)).flatMap((event) => (event.event === "step-done" ? [event] : [])),
    ({ title }) => title,
  );
  const total = Object.values(programs).reduce((sum, { seconds }) => sum + seconds, 0);
  return {
    exitCode,
    loadBefore: load,
    wallSeconds: wall,
    processorSeconds: total,
    processorSecondsPerLearner: total / learners,
    programs: Object.fromEntries(Object.entries(programs).sort(([, one], [, other]) => other.seconds - one.seconds)),
    longestOfStep: Object.fromEntries([...steps].map(([title, all]) => [title, Math.max(...all.map(({ seconds }) => seconds))])),
  };
}

const accounting = await Accounting.begin();
try {
  await cohort.writeFile();
  const up = await attributed(accounting, "up", cohort.name, "--json");
  const upAgain = await attributed(accounting, "up", cohort.name, "--json");
  const down = await attributed(accounting, "down", cohort.name, "--json");
  const report = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    learners,
    nodes,
    up,
    upAgain,
    down,
  };
  const rounded = (_key: string, value: unknown) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
  process.stdout.write(`${JSON.stringify(report, rounded, 2)}\n`);
} finally {
  await accounting.end();
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(home, { recursive: true, force: true });
}
