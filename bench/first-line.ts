import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { TestCohort } from "../test/support/lab-cli.ts";
import { untilFirstLine } from "../test/support/first-line.ts";

/*
 * How long `./lab` is silent after it was typed: `node bench/first-line.ts [runs]`. A run of `up` is killed with its first
 * line; what it made by then is taken down at the end. Prints one JSON object, times in milliseconds; docs/measurements.md
 * keeps the figures.
 */
const runs = Number(process.argv[2] ?? 10);
const home = await mkdtemp(join(tmpdir(), "gl-line-"));
const cohort = new TestCohort("e2e-bench-line", join(home, "lab"), ["ada"]);
const round = (value: number) => Math.round(value);

/** From the start of the shell script to the first bytes of one of its standard files. */
async function silence(file: "all" | "stdout", args: readonly string[]): Promise<number> {
  const started = performance.now();
  const lab = cohort.startLab(...args);
  const first = await new Promise<number>((resolve) => lab[file]!.once("data", () => resolve(performance.now() - started)));
  try {
    process.kill(-lab.pid!, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
  await lab;
  return first;
}

async function timed(file: "all" | "stdout", args: readonly string[]) {
  // The first fills Node's cache of compiled modules.
  await silence(file, args);
  const times: number[] = [];
  for (let i = 0; i < runs; i += 1) times.push(await silence(file, args));
  times.sort((a, b) => a - b);
  const middle = (times[Math.floor((runs - 1) / 2)]! + times[Math.ceil((runs - 1) / 2)]!) / 2;
  return { median: round(middle), least: round(times[0]!), most: round(times.at(-1)!) };
}

const measured = async (...args: string[]) => ({ ...(await timed("all", args)), ...(await untilFirstLine(args, cohort.home)) });

try {
  await cohort.writeFile();
  const report = {
    date: new Date().toISOString().slice(0, 10),
    machine: { cores: availableParallelism(), processor: cpus()[0]?.model, node: process.version, loadBefore: loadavg()[0] },
    runs,
    help: await measured("--help"),
    up: await measured("up", cohort.name),
    /** Its first event, when the file is read and the machine was looked at. */
    upFirstEvent: await timed("stdout", ["up", cohort.name, "--json"]),
    plan: await measured("plan", cohort.name),
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
} finally {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(home, { recursive: true, force: true });
}
