import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../../shared/errors.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { log } from "../log.ts";
import { folderOf, type Cgroup } from "./cgroups.ts";
import { cgroupOf } from "./groups.ts";

/** How often is looked. */
const lookMs = 2_000;
/** How much a look counts beside all before it: half of what is known is of the last six seconds. */
const newest = 0.2;
/** Labs come and go, and moving a look at folders to every look at processors would double what it costs. */
const looksPerListing = 15;

/**
 * Has learners who use much of the machine wait for those who use little: the kernel runs what is in a group with `cpu.idle`
 * (since 5.15, both versions) when nothing else of the cohort wants to run, and takes the processor from it at once when
 * something does. An equal share alone is not enough: whoever wakes up a thousand times for one promotion waits a few
 * milliseconds each time (bench/neighbour.ts). Goes on for as long as the process.
 */
export async function keepTurns(paths: CohortPaths): Promise<never> {
  let groups: LearnerGroup[] = [];
  for (let look = 0; ; look += 1) {
    try {
      if (look % looksPerListing === 0) groups = await groupsOf(paths, groups);
      for (const group of groups) await group.look();
    } catch (error) {
      log("warn", "who uses much of the processors could not be looked at", { reason: messageOf(error) });
    }
    await delay(lookMs, undefined, { ref: false });
  }
}

/**
 * Whether a learner waits for the others. Who waits gets what is left and so uses less than before: that alone does not end it.
 *
 * @param average cores used of late
 */
export function waits(isWaiting: boolean, average: number, cores = availableParallelism()): boolean {
  return average > cores * (isWaiting ? 0.1 : 0.4);
}

async function groupsOf(paths: CohortPaths, known: readonly LearnerGroup[]): Promise<LearnerGroup[]> {
  const learners = await readdir(dirname(paths.learner("any").root)).catch(() => []);
  const found = await Promise.all(
    learners.map(async (learner) => {
      const group = await cgroupOf(paths.learner(learner));
      return group && (known.find((one) => one.learner === learner) ?? new LearnerGroup(learner, group));
    }),
  );
  return found.filter((one) => one !== undefined);
}

/** What a learner's control group has used. */
export class LearnerGroup {
  readonly learner: string;
  readonly #usage: string | undefined;
  readonly #idle: string | undefined;
  #last: { readonly at: number; readonly cpuSeconds: number } | undefined;
  #average = 0;

  constructor(learner: string, group: Cgroup) {
    this.learner = learner;
    const file = (controller: string, name: string) => {
      const folder = folderOf(group, controller);
      return folder && join(folder, name);
    };
    this.#usage = group.version === 2 ? file("cpu", "cpu.stat") : file("cpuacct", "cpuacct.usage");
    this.#idle = file("cpu", "cpu.idle");
  }

  /** What stands in `cpu.idle` is what counts: an earlier daemon may have written it. */
  async look(): Promise<void> {
    // The group comes with the first process, and a kernel may be older.
    if (this.#usage === undefined || this.#idle === undefined || !existsSync(this.#idle)) return;
    const cpuSeconds = cpuSecondsIn(await readFile(this.#usage, "utf8").catch(() => ""));
    if (cpuSeconds === undefined) return;
    const now = { at: performance.now(), cpuSeconds };
    if (this.#last !== undefined) {
      const cores = (cpuSeconds - this.#last.cpuSeconds) / ((now.at - this.#last.at) / 1000);
      this.#average += newest * (Math.max(cores, 0) - this.#average);
    }
    this.#last = now;
    const isWaiting = (await readFile(this.#idle, "utf8")).trim() === "1";
    const shouldWait = waits(isWaiting, this.#average);
    if (shouldWait === isWaiting) return;
    await writeFile(this.#idle, shouldWait ? "1" : "0", { flag: "r+" });
    log("info", shouldWait ? "uses much of the processors, and waits for the others now" : "waits for the others no more", {
      learner: this.learner,
      cores: Number(this.#average.toFixed(2)),
    });
  }
}

/** cpuacct.usage of version 1 in nanoseconds; cpu.stat of version 2 has microseconds. */
export function cpuSecondsIn(text: string): number | undefined {
  const micros = /^usage_usec (\d+)$/m.exec(text)?.[1];
  if (micros !== undefined) return Number(micros) / 1e6;
  return /^\d+\s*$/.test(text) ? Number(text) / 1e9 : undefined;
}
