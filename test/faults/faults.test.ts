import { mkdir, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
import { faultsPlan } from "./plan.ts";
import { killEachProcess } from "./processes.ts";
import { randomOf, shuffled } from "./random.ts";
import { soak } from "./soak.ts";
import { tearEverything } from "./power.ts";
import { Results, type Trial } from "./trials.ts";

/*
 * Faults on purpose, at points that the seed chooses. The short set is part of the suite; the long one, which takes hours, goes
 * on where it was: `./lab test faults --long --seed 1 --results <file>`. The tests of the standing lab build on each other.
 */
const plan = faultsPlan();
const minutes = 60_000;
const patience = (plan.long ? 600 : 15) * minutes;
let options: KillOptions;

beforeAll(async () => {
  await mkdir(plan.folder, { recursive: true });
  const results = await Results.open(plan.results);
  options = { seed: plan.seed, points: plan.long ? 25 : 1, atMost: Infinity, results, folder: plan.folder };
});
afterAll(() => (plan.long ? undefined : rm(plan.folder, { recursive: true, force: true })));

/** Shows of each trial that went wrong when it was and what was wrong. */
function expectSound(trials: readonly Trial[]): void {
  const wrong = trials.filter(({ faults }) => faults.length > 0);
  expect(wrong.map(({ scenario, key, what, faults }) => ({ scenario, key, what, faults }))).toEqual([]);
}

test("a cohort comes up after up was killed, and goes after down was killed", { timeout: patience }, async () => {
  expectSound(await killUpAndDown(options));
});

describe("a lab in which somebody works", () => {
  let lab: StandingLab;

  beforeAll(async () => {
    lab = await standingLab(plan.folder, "standing");
  }, 10 * minutes);
  afterAll(() => removeStandingLab(lab), 5 * minutes);

  test("has new credentials after rotate was killed", { timeout: patience }, async () => {
    expectSound(await killRotate(lab, options));
  });

  test("heals by itself when one of its processes is killed", { timeout: patience }, async () => {
    const choose = (names: readonly string[]) =>
      plan.long ? names : ["daemon", "web", ...shuffled(randomOf(`${plan.seed} processes`), names).slice(0, 1)];
    // The short set runs beside other tests, which is no time to measure.
    const patience = plan.long ? undefined : 300;
    expectSound(await killEachProcess(lab, plan.seed, options.results, plan.long ? 3 : 1, choose, patience));
  });

  test("goes on after a power loss that tore what was written last", { timeout: patience }, async () => {
    expectSound(await tearEverything(lab, options.results, plan.long ? ["half", "empty"] : ["half"]));
  });

  test("loses no commit, runs no wrong image and tells no untrue verdict while parts of it are killed", { timeout: patience }, async () => {
    const { lostCommits, wrongDigests, untrueVerdicts, notWholeInTheEnd, compared, commits } = await soak(lab.cohort, {
      seed: plan.seed,
      seconds: plan.long ? 600 : 30,
      killEvery: 8,
    });
    expect({ lostCommits, wrongDigests, untrueVerdicts, notWholeInTheEnd }).toEqual({
      lostCommits: [],
      wrongDigests: [],
      untrueVerdicts: [],
      notWholeInTheEnd: [],
    });
    expect(Math.min(compared, commits)).toBeGreaterThan(0);
  });

  // Not skipped in the short set: who asks for that asks for no more.
  if (plan.long) {
    test("is made anew after reset was killed", { timeout: patience }, async () => {
      expectSound(await killReset(lab, options));
    });

    test("stays as it is while another is added by commands that are killed", { timeout: patience }, async () => {
      expectSound(await killAdditions(lab, options));
    });

    test("stands two commands at once, in every pairing", { timeout: patience }, async () => {
      expectSound(await twoAtOnce(lab, plan.seed, options.results));
    });
  }
});
