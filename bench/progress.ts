import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ProgressEvent } from "../cli/progress/events.ts";
import { TestCohort } from "../test/support/lab-cli.ts";
import { machine } from "./machine.ts";

/*
 * Measures how long `./lab up --json` stays silent, tools installed: `node bench/progress.ts [learners] [nodes]
 * [parallel]`. Times are taken where the lines arrive. Prints one JSON object; docs/measurements.md keeps the figures.
 */
const learners = Number(process.argv[2] ?? 1);
const nodes = process.argv[3] ?? "simulated";
const parallel = process.argv[4];
const home = await mkdtemp(join(tmpdir(), "gl-bench-"));
const cohort = new TestCohort(
  `e2e-bench-progress-${learners}`,
  join(home, "lab"),
  Array.from({ length: learners }, (_, index) => `l${index + 1}`),
  undefined,
  { kind: "embedded", nodes },
);
await cohort.writeFile();

interface Arrival {
  readonly at: number;
  readonly event: ProgressEvent;
}

interface Gap {
  readonly seconds: number;
  readonly after: string;
  readonly before: string;
}

/** The longest time between two of these, with what stood before and after it. */
function longestGap(arrivals: readonly Arrival[]): Gap | undefined {
  const gaps = arrivals.slice(1).map(({ at, event }, index) => ({
    seconds: (at - arrivals[index]!.at) / 1000,
    after: nameOf(arrivals[index]!.event),
    before: nameOf(event),
  }));
  return gaps.toSorted((a, b) => b.seconds - a.seconds)[0];
}

function nameOf(event: ProgressEvent): string {
  return [
    event.event,
    ...("step" in event ? [event.step] : []),
    ...("learner" in event && event.learner !== null ? [event.learner] : []),
  ].join(" ");
}

const load = async () => Number((await readFile("/proc/loadavg", "utf8")).split(" ")[0]);

try {
  const loadBefore = await load();
  const started = Date.now();
  const run = cohort.startLab("up", cohort.name, "--json", ...(parallel === undefined ? [] : ["--parallel", parallel]));
  const arrivals: Arrival[] = [];
  const eta: { seconds: number; secondsLeft: number }[] = [];
  for await (const line of createInterface({ input: run.stdout! })) {
    const event = ProgressEvent.parse(JSON.parse(line));
    arrivals.push({ at: Date.now(), event });
    if (event.event === "waiting" && event.aboutSecondsLeft !== null)
      eta.push({ seconds: (Date.now() - started) / 1000, secondsLeft: event.aboutSecondsLeft });
  }
  const { exitCode, stderr } = await run;
  const seconds = (Date.now() - started) / 1000;
  if (exitCode !== 0) process.stderr.write(String(stderr));
  const report = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    learners,
    nodes,
    ...(parallel !== undefined && { parallel: Number(parallel) }),
    exitCode,
    loadBefore,
    loadAfter: await load(),
    seconds,
    events: arrivals.length,
    firstEventAfter: ((arrivals[0]?.at ?? Date.now()) - started) / 1000,
    longestGap: longestGap(arrivals),
    // What it would be without the lines that only tell what is awaited.
    longestGapWithoutWaiting: longestGap(arrivals.filter(({ event }) => event.event !== "waiting")),
    // How far the estimate of the end was off, by the half of the run it was given in.
    estimateOffBy: Object.fromEntries(
      [0, 1].map((half) => {
        const given = eta
          .filter((one) => Math.floor((one.seconds / seconds) * 2) === half)
          .map((one) => Math.abs(one.seconds + one.secondsLeft - seconds));
        return [half === 0 ? "firstHalf" : "secondHalf", given.reduce((sum, off) => sum + off, 0) / (given.length || 1)];
      }),
    ),
  };
  const round = (_key: string, value: unknown) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
  process.stdout.write(`${JSON.stringify(report, round, 2)}\n`);
} finally {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(home, { recursive: true, force: true });
}
