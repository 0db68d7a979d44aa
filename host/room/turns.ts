import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setInterval as every } from "node:timers/promises";
import type { CohortPaths } from "../../shared/paths.ts";
import type { Cgroup } from "./cgroups.ts";
import { cgroupOf } from "./groups.ts";

const lookSeconds = 2;
/** Half of what somebody has used is forgotten after so long. */
const halfLifeSeconds = 15;
/** Cores, averaged, up to which somebody has the whole weight: a lab at rest takes less. */
const free = 0.05;
/** Weights of version 1 (`cpu.shares`), 2 to 262144, by default this. */
const whole = 1024;
const least = 2;

/**
 * Who has used much of the processors of late lets others go first: each learner's weight falls with the square of what the learner's
 * processes have used, averaged. Nobody is held back by it while there is time that nobody else wants.
 * Limits alone would leave two learners of whom one burns all there is half of the machine each.
 */
export async function keepTurns(paths: CohortPaths): Promise<never> {
  const turns = new Turns();
  for await (const _ of every(lookSeconds * 1000, undefined, { ref: false })) {
    const learners = await readdir(join(paths.root, "learners")).catch(() => []);
    for (const learner of learners) {
      const group = await cgroupOf(paths.learner(learner)).catch(() => undefined);
      const used = group && (await usedSeconds(group));
      if (group === undefined || used === undefined) continue;
      const weight = turns.weightOf(learner, used, performance.now() / 1000);
      // A group that ends meanwhile needs none.
      if (weight !== undefined) await write(group, weight).catch(() => undefined);
    }
  }
  throw new Error("an interval has ended");
}

/** What everybody has used of late. */
export class Turns {
  readonly #seen = new Map<string, { readonly used: number; readonly at: number; readonly cores: number; readonly weight: number }>();

  /**
   * The weight that somebody is to have from now on; undefined where it stays.
   *
   * @param used seconds of processor time since ever
   * @param at seconds, of whichever clock
   */
  weightOf(name: string, used: number, at: number): number | undefined {
    const before = this.#seen.get(name);
    // Seen for the first time, after an earlier daemon perhaps; or a group made anew, which begins at nothing.
    if (before === undefined || used < before.used) {
      this.#seen.set(name, { used, at, cores: 0, weight: whole });
      return whole;
    }
    if (at <= before.at) return undefined;
    const kept = 0.5 ** ((at - before.at) / halfLifeSeconds);
    const cores = before.cores * kept + ((used - before.used) / (at - before.at)) * (1 - kept);
    const weight = weightFor(cores);
    this.#seen.set(name, { used, at, cores, weight });
    return weight === before.weight ? undefined : weight;
  }
}

/** Pure: the weight of who uses so many cores. */
export function weightFor(cores: number): number {
  return cores <= free ? whole : Math.max(least, Math.round(whole * (free / cores) ** 2));
}

async function usedSeconds({ version, folders }: Cgroup): Promise<number | undefined> {
  if (version === 2) {
    const text = await read(folders["unified"], "cpu.stat");
    const microseconds = /^usage_usec (\d+)$/m.exec(text)?.[1];
    return microseconds === undefined ? undefined : Number(microseconds) / 1e6;
  }
  const text = await read(folderOf(folders, "cpuacct"), "cpuacct.usage");
  return text === "" ? undefined : Number(text) / 1e9;
}

async function write({ version, folders }: Cgroup, weight: number): Promise<void> {
  const folder = version === 2 ? folders["unified"] : folderOf(folders, "cpu");
  if (folder === undefined) return;
  const [file, value] = version === 2 ? ["cpu.weight", Math.max(1, Math.round((weight / whole) * 100))] : ["cpu.shares", weight];
  await writeFile(join(folder, String(file)), String(value), { flag: "r+" });
}

function folderOf(folders: Cgroup["folders"], controller: string): string | undefined {
  return Object.entries(folders).find(([controllers]) => controllers.split(",").includes(controller))?.[1];
}

async function read(folder: string | undefined, file: string): Promise<string> {
  return folder === undefined ? "" : readFile(join(folder, file), "utf8").catch(() => "");
}
