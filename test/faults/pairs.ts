import { setTimeout as delay } from "node:timers/promises";
import { wholeCourse } from "./cut.ts";
import { randomOf } from "./random.ts";
import { awaitGreen, surplus, Work } from "./soundness.ts";
import type { StandingLab } from "./kills.ts";
import { trial, type Results, type Trial } from "./trials.ts";

export const commands = ["up", "retry", "reset", "rotate", "down"] as const;

/** Every pair of commands, those with `down` last. */
export const pairs = commands.flatMap((one, index) => commands.slice(index).map((other) => [one, other] as const));

/** Exit codes that a command may end with where another one works on the same cohort; 70 is a defect. */
const allowed = [0, 1, 2, 3];

/**
 * Two commands on one cohort, the second a moment after the first: neither ends in a defect, and the next `up` brings all
 * to green, with what the learner had in the lab or in a backup.
 */
export async function twoAtOnce(
  lab: StandingLab,
  seed: string,
  results: Results,
  which: readonly (readonly [string, string])[] = pairs,
  atMost = Infinity,
): Promise<Trial[]> {
  const { cohort, healthy } = lab;
  const made: Trial[] = [];
  const line = (command: string) =>
    command === "reset" || command === "rotate" ? [command, "ada", "--cohort", cohort.name] : [command, cohort.name];
  for (const pair of which) {
    if (made.length >= atMost) break;
    const key = pair.join(" and ");
    const done = await trial(results, "two commands at once", key, async (told) => {
      const work = new Work(cohort, "ada");
      await work.go();
      // Within the time in which both open the stack.
      const apart = randomOf(`${seed} ${key}`)() * 4;
      told.what = `${pair[0]}, and ${apart.toFixed(1)} s later ${pair[1]}`;
      const first = wholeCourse(cohort, line(pair[0]));
      await delay(apart * 1000);
      const second = wholeCourse(cohort, line(pair[1]));
      for (const [command, run] of [
        [pair[0], first],
        [pair[1], second],
      ] as const) {
        const { exitCode, output } = await run;
        if (!allowed.includes(exitCode ?? -1) || /\n {4}at |This is a defect/.test(output))
          told.faults.push(`${command} ended with ${exitCode}: ${output.slice(-1500)}`);
      }
      const { exitCode, output } = await wholeCourse(cohort, ["up", cohort.name]);
      if (exitCode !== 0) told.faults.push(`the next up ended with ${exitCode}: ${output.slice(-1500)}`);
      await awaitGreen(cohort);
      if (pair.some((command) => command === "reset") && !pair.some((command) => command === "down"))
        told.faults.push(...(await work.lostInBackups()));
      else if (!pair.some((command) => command === "down")) told.faults.push(...(await work.lost()));
      told.faults.push(...(await surplus(cohort, healthy)));
    });
    if (done !== undefined) made.push(done);
  }
  return made;
}
