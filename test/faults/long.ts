import { join, resolve } from "node:path";
import { TestCohort } from "../support/lab-cli.ts";
import { wholeCourse } from "./cut.ts";
import {
  killAdditions,
  killReset,
  killRotate,
  killUpAndDown,
  removeStandingLab,
  standingLab,
  type KillOptions,
  type StandingLab,
} from "./kills.ts";
import { twoAtOnce } from "./pairs.ts";
import { tearEverything } from "./power.ts";
import { killEachProcess } from "./processes.ts";
import { soak } from "./soak.ts";
import { Results, trial, type Trial } from "./trials.ts";

/*
 * The long set of faults, in pieces: `node test/faults/long.ts <what> <file> <folder> [at most] [points] [seed]` makes those of its
 * trials whose results are not in the file yet. `node test/faults/table.ts <file>` makes a table of it.
 */
const [what = "", file = "faults.jsonl", folder = "", atMost = "1000", points = "25", seed = "1"] = process.argv.slice(2);
const options: KillOptions = {
  seed,
  points: Number(points),
  atMost: Number(atMost),
  results: await Results.open(resolve(file)),
  folder: resolve(folder),
};

const standing =
  (kill: (lab: StandingLab, options: KillOptions) => Promise<readonly Trial[]>): ((name: string) => Promise<unknown>) =>
  async (name) => {
    const lab = await standingLab(options.folder, name);
    const made = await kill(lab, options);
    // Those that are outstanding go on with the lab as it is.
    if (made.length < options.atMost) await removeStandingLab(lab);
    return made;
  };

/** `soak-10x600`: ten learners for ten minutes. */
async function soakAs(name: string): Promise<unknown> {
  const [learners = 2, seconds = 60] = (/-(\d+)x(\d+)$/.exec(name) ?? []).slice(1).map(Number);
  const ids = Array.from({ length: learners }, (_, index) => `l${index + 1}`);
  const cohort = new TestCohort("faults-soak", join(options.folder, "soak"), ids, { interval: "10s" });
  await cohort.writeFile();
  const { exitCode, output } = await wholeCourse(cohort, ["up", cohort.name]);
  if (exitCode !== 0) throw new Error(output);
  const done = await trial(options.results, name, seed, async (told) => {
    const soaked = await soak(cohort, { seed, seconds, killEvery: 10 });
    told.what = JSON.stringify(soaked);
    for (const kind of ["lostCommits", "wrongDigests", "untrueVerdicts", "notWholeInTheEnd"] as const)
      told.faults.push(...soaked[kind].map((one) => `${kind}: ${one}`));
  });
  await removeStandingLab({ cohort });
  return done;
}

const kinds: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
  fresh: () => killUpAndDown(options),
  rotate: standing(killRotate),
  reset: standing(killReset),
  additions: standing(killAdditions),
  processes: standing((lab, { results }) => killEachProcess(lab, seed, results, options.points)),
  power: standing((lab, { results }) => tearEverything(lab, results, ["half", "empty"])),
  pairs: standing((lab, { results, atMost: most }) => twoAtOnce(lab, seed, results, undefined, most)),
};

const kind = what.startsWith("soak-") ? soakAs : kinds[what];
if (kind === undefined) throw new Error(`there is no "${what}": ${Object.keys(kinds).join(", ")}`);
process.stdout.write(`${JSON.stringify(await kind(what), undefined, 2)}\n`);
