import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { endOne, livingEngines } from "../../ledger/process-identity.ts";
import { cohortPaths } from "../../shared/paths.ts";
import type { TestCohort } from "../support/lab-cli.ts";
import { oneOf, shuffled, type Random } from "./random.ts";

/** What a run told, and how many seconds after its start. */
interface Mark {
  readonly text: string;
  readonly at: number;
}

/** How a run goes that nobody cuts short. */
export interface Course {
  readonly marks: readonly Mark[];
  readonly seconds: number;
}

/** Who gets the SIGKILL: `./lab` alone, with its engine, or its whole process group. */
export const victims = ["command", "command and engine", "group"] as const;

export interface Point {
  /** Which of the course's marks has to come first; -1 for none. */
  readonly mark: number;
  /** Seconds after it, as the course goes. */
  readonly after: number;
  readonly victim: (typeof victims)[number];
}

/** Points spread over a course by time, one in each of `count` equal parts of it, in any order. */
export function pointsIn(course: Course, count: number, random: Random): Point[] {
  const points = Array.from({ length: count }, (_, index) => {
    const at = ((index + random()) / count) * course.seconds;
    const mark = course.marks.findLastIndex((one) => one.at <= at);
    return { mark, after: at - (course.marks[mark]?.at ?? 0), victim: oneOf(random, victims) };
  });
  return shuffled(random, points);
}

export interface Ended {
  readonly exitCode: number | undefined;
  readonly output: string;
  readonly course: Course;
}

export interface Cut extends Ended {
  /** Whether the run was still there to be killed. */
  readonly happened: boolean;
  /** When, for people. */
  readonly when: string;
}

/** Runs `./lab` to its end and tells how it went. */
export async function wholeCourse(cohort: TestCohort, args: readonly string[]): Promise<Ended> {
  return (await start(cohort, args)).ended;
}

/** Runs `./lab` and kills it at a point of its course, later where the machine is slower than it was then. */
export async function cutShort(cohort: TestCohort, args: readonly string[], point: Point, course: Course): Promise<Cut> {
  const run = await start(cohort, args);
  const reached = await run.reaches(point.mark + 1);
  if (reached) {
    const expected = course.marks[point.mark]?.at ?? 0;
    const slower = expected > 1 ? Math.min(4, Math.max(0.5, run.seconds() / expected)) : 1;
    await Promise.race([delay(point.after * slower * 1000), run.reaches(point.mark + 2)]);
  }
  const happened = run.isRunning();
  if (happened) kill(cohort, run.pid, point.victim);
  const seconds = run.seconds();
  const ended = await run.ended;
  const last = ended.course.marks.at(-1)?.text ?? "nothing told yet";
  return { ...ended, happened, when: `${point.victim}, after ${seconds.toFixed(1)} s (${last})` };
}

function kill(cohort: TestCohort, pid: number, victim: Point["victim"]): void {
  const engines = victim === "command and engine" ? livingEngines(cohortPaths(cohort.name, cohort.home).daemon, pid) : [];
  try {
    process.kill(victim === "group" ? -pid : pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
  for (const engine of engines) endOne(engine);
}

async function start(cohort: TestCohort, args: readonly string[]) {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const child = cohort.startLab(...args);
  const marks: Mark[] = [];
  const lines: string[] = [];
  const waiting: { readonly count: number; readonly resolve: (reached: boolean) => void }[] = [];
  const read = async (stream: NodeJS.ReadableStream) => {
    for await (const line of createInterface({ input: stream })) {
      lines.push(line);
      const text = markOf(line);
      if (text === undefined) continue;
      marks.push({ text, at: seconds() });
      for (const one of waiting) if (marks.length >= one.count) one.resolve(true);
    }
  };
  let running = true;
  const ended = (async (): Promise<Ended> => {
    const exited = child.finally(() => {
      running = false;
      for (const one of waiting) one.resolve(false);
    });
    // What a killed command leaves may hold its pipes for longer than it takes to see that it is gone.
    const [{ exitCode }] = await Promise.all([exited, Promise.race([Promise.all([read(child.stdout!), read(child.stderr!)]), exited])]);
    return { exitCode, output: lines.join("\n"), course: { marks, seconds: seconds() } };
  })();
  ended.catch(() => {});
  return {
    pid: child.pid!,
    seconds,
    isRunning: () => running,
    /** Resolves with true as soon as so many marks are there, with false when the run ends before. */
    reaches: (count: number) =>
      new Promise<boolean>((resolve) => {
        if (marks.length >= count) resolve(true);
        else if (!running) resolve(false);
        else waiting.push({ count, resolve });
      }),
    ended,
  };
}

/** What a line says of how far the run is; undefined where it says only that time passes. */
function markOf(line: string): string | undefined {
  if (!line.startsWith("{")) return line.trim() === "" || line.includes("waiting for") ? undefined : line.trim();
  const { event, step, learner } = JSON.parse(line) as { event?: string; step?: string; learner?: string | null };
  return event === undefined || event === "waiting" ? undefined : [event, learner, step].filter(Boolean).join(" ");
}
