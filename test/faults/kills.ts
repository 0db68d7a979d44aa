import { rm } from "node:fs/promises";
import { join } from "node:path";
import { TestCohort } from "../support/lab-cli.ts";
import { cutShort, pointsIn, wholeCourse, type Cut, type Ended } from "./cut.ts";
import { randomOf } from "./random.ts";
import { awaitGreen, census, remains, surplus, Work, type Census } from "./soundness.ts";
import { trial, type Results, type Told, type Trial } from "./trials.ts";

/*
 * SIGKILL of a command at points spread over its run, then the same command again. One lab serves many points.
 */

export interface KillOptions {
  readonly seed: string;
  /** How many points of each command. */
  readonly points: number;
  /** Make no more than so many of those that are outstanding, then leave the lab as it is for the next time. */
  readonly atMost: number;
  readonly results: Results;
  /** Below it are the labs' homes. */
  readonly folder: string;
}

/** A fault is added where the command did not end well. */
function require(told: Told, what: string, { exitCode, output }: Pick<Ended, "exitCode" | "output">): void {
  if (exitCode !== 0) told.faults.push(`${what} ended with ${exitCode}: ${output.slice(-1500)}`);
}

async function succeed(cohort: TestCohort, ...args: string[]): Promise<Ended> {
  const ended = await wholeCourse(cohort, args);
  if (ended.exitCode !== 0) throw new Error(`${args.join(" ")} ended with ${ended.exitCode}: ${ended.output.slice(-1500)}`);
  return ended;
}

function note(told: Told, command: string, cut: Cut): void {
  told.happened &&= cut.happened;
  told.what = [told.what, `${command}: ${cut.when}`].filter((one) => one !== "").join("; ");
}

const key = (index: number) => String(index).padStart(3, "0");

/** The trials of a command that are still to be made. */
const outstanding = (results: Results, scenario: string, count: number) =>
  Array.from({ length: count }, (_, index) => index).filter((index) => !results.has(scenario, key(index)));

/** `up` of a cohort of which nothing is there, and `down` of one that is up. Begins and ends without a lab. */
export async function killUpAndDown({ seed, points, atMost, results, folder }: KillOptions): Promise<Trial[]> {
  const cohort = new TestCohort("faults-fresh", join(folder, "fresh"), ["ada"]);
  const up = ["up", cohort.name, "--json"];
  const down = ["down", cohort.name, "--json"];
  const made: Trial[] = [];
  await cohort.writeFile();
  try {
    await wholeCourse(cohort, down);
    const courses = await results.once("courses of up and down", async () => {
      const ofUp = (await succeed(cohort, ...up)).course;
      const healthy = census(cohort);
      return { ofUp, healthy, ofDown: (await succeed(cohort, ...down)).course };
    });
    const { healthy } = courses;
    const upPoints = pointsIn(courses.ofUp, points, randomOf(`${seed} up`));
    const downPoints = pointsIn(courses.ofDown, points, randomOf(`${seed} down`));
    for (const index of outstanding(results, "down", points).slice(0, atMost)) {
      const ofUp = await trial(results, "up", key(index), async (told) => {
        note(told, "up", await cutShort(cohort, up, upPoints[index]!, courses.ofUp));
        require(told, "the next up", await wholeCourse(cohort, up));
        told.faults.push(...(await surplus(cohort, healthy)));
      });
      const ofDown = await trial(results, "down", key(index), async (told) => {
        if (ofUp === undefined || ofUp.faults.length > 0) await succeed(cohort, ...up);
        note(told, "down", await cutShort(cohort, down, downPoints[index]!, courses.ofDown));
        require(told, "the next down", await wholeCourse(cohort, down));
        told.faults.push(...remains(cohort));
      });
      made.push(...[ofUp, ofDown].filter((one) => one !== undefined));
    }
  } finally {
    await wholeCourse(cohort, down);
    await cohort.removeFile();
  }
  return made;
}

/** A lab that stays, with a learner who works in it. */
export interface StandingLab {
  readonly cohort: TestCohort;
  readonly ada: Work;
  readonly healthy: Census;
}

/** Brings a lab of one learner up, or goes on with the one that is there. */
export async function standingLab(folder: string, name: string): Promise<StandingLab> {
  const cohort = new TestCohort(`faults-${name}`, join(folder, name), ["ada"], { interval: "5s" });
  await cohort.writeFile();
  await succeed(cohort, "up", cohort.name);
  return { cohort, ada: new Work(cohort, "ada"), healthy: census(cohort) };
}

export async function removeStandingLab({ cohort }: Pick<StandingLab, "cohort">): Promise<void> {
  await cohort.lab("down", cohort.name);
  await cohort.removeFile();
  await rm(cohort.home, { recursive: true, force: true });
}

async function checkLab({ cohort, ada, healthy }: StandingLab, told: Told): Promise<void> {
  await awaitGreen(cohort);
  told.faults.push(...(await ada.lost()), ...(await surplus(cohort, healthy)));
}

/** `rotate` of a learner: afterwards the new credential works and the old does not. */
export async function killRotate(lab: StandingLab, { seed, points, atMost, results }: KillOptions): Promise<Trial[]> {
  const { cohort, ada } = lab;
  const rotate = ["rotate", "ada", "--cohort", cohort.name];
  const todo = outstanding(results, "rotate", points).slice(0, atMost);
  if (todo.length === 0) return [];
  const course = await results.once("course of rotate", async () => (await succeed(cohort, ...rotate)).course);
  const at = pointsIn(course, points, randomOf(`${seed} rotate`));
  const made: Trial[] = [];
  for (const index of todo) {
    const done = await trial(results, "rotate", key(index), async (told) => {
      await ada.go();
      const before = (await ada.credential()).password;
      note(told, "rotate", await cutShort(cohort, rotate, at[index]!, course));
      require(told, "the next rotate", await wholeCourse(cohort, rotate));
      if ((await ada.credential()).password === before) told.faults.push("the password is the old one");
      await ada.go();
      await checkLab(lab, told);
    });
    if (done !== undefined) made.push(done);
  }
  return made;
}

/** `reset` of a learner: what the learner had is in a backup. */
export async function killReset(lab: StandingLab, { seed, points, atMost, results }: KillOptions): Promise<Trial[]> {
  const { cohort, ada } = lab;
  const reset = ["reset", "ada", "--cohort", cohort.name];
  const todo = outstanding(results, "reset", points).slice(0, atMost);
  if (todo.length === 0) return [];
  const course = await results.once("course of reset", async () => (await succeed(cohort, ...reset)).course);
  const at = pointsIn(course, points, randomOf(`${seed} reset`));
  const made: Trial[] = [];
  for (const index of todo) {
    const done = await trial(results, "reset", key(index), async (told) => {
      await ada.go();
      note(told, "reset", await cutShort(cohort, reset, at[index]!, course));
      require(told, "the next reset", await wholeCourse(cohort, reset));
      told.faults.push(...(await ada.lostInBackups()));
      await checkLab(lab, told);
    });
    if (done !== undefined) made.push(done);
  }
  return made;
}

/** `up` that adds a learner to a lab in which another works, and `retry` after a killed one: the other loses nothing. */
export async function killAdditions(lab: StandingLab, { seed, points, atMost, results }: KillOptions): Promise<Trial[]> {
  const { cohort } = lab;
  const [up, retry] = [
    ["up", cohort.name, "--json"],
    ["retry", cohort.name, "--json"],
  ];
  const todo = outstanding(results, "retry", points).slice(0, atMost);
  if (todo.length === 0) return [];
  await cohort.setLearners(["ada", "bob"]);
  const { course, healthy } = await results.once("course of one more", async () => {
    const ofUp = (await succeed(cohort, ...up!)).course;
    return { course: ofUp, healthy: census(cohort) };
  });
  const both = { ...lab, healthy };
  const withoutBob = async () => {
    await cohort.setLearners(["ada"]);
    await succeed(cohort, ...up!);
    await cohort.setLearners(["ada", "bob"]);
  };
  const pointsOfUp = pointsIn(course, points, randomOf(`${seed} up of one more`));
  const pointsOfRetry = pointsIn(course, points, randomOf(`${seed} retry`));
  // From here on there is something for `retry` to do.
  const begun = course.marks.findIndex(({ text }) => text.startsWith("step-started bob"));
  const early = { mark: begun, after: 0.2, victim: "command" } as const;
  const made: Trial[] = [];
  for (const index of todo) {
    const ofUp = await trial(results, "up of one more", key(index), async (told) => {
      await withoutBob();
      await lab.ada.go();
      note(told, "up", await cutShort(cohort, up!, pointsOfUp[index]!, course));
      require(told, "the next up", await wholeCourse(cohort, up!));
      await checkLab(both, told);
    });
    const ofRetry = await trial(results, "retry", key(index), async (told) => {
      await withoutBob();
      await cutShort(cohort, up!, early, course);
      note(told, "retry", await cutShort(cohort, retry!, pointsOfRetry[index]!, course));
      require(told, "the next retry", await wholeCourse(cohort, retry!));
      await checkLab(both, told);
    });
    made.push(...[ofUp, ofRetry].filter((one) => one !== undefined));
  }
  await cohort.setLearners(["ada"]);
  await succeed(cohort, ...up!);
  return made;
}
