import { rm } from "node:fs/promises";
import { join } from "node:path";
import { TestCohort } from "../support/lab-cli.ts";
import { cutShort, pointsIn, wholeCourse, type Cut, type Ended } from "./cut.ts";
import { randomOf } from "./random.ts";
import { awaitGreen, census, remains, surplus, Work, type Census } from "./soundness.ts";
import { chain, type Results, type Told, type Trial } from "./trials.ts";

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

/** So many kills come one after the other before a run is let through: most of a run's time is what follows a kill. */
const inARow = 3;

/** The trials of a command that are still to be made, in rows. */
function outstanding(results: Results, scenario: string, count: number, atMost: number): string[][] {
  const keys = Array.from({ length: count }, (_, index) => String(index).padStart(3, "0")).filter((key) => !results.has(scenario, key));
  const some = keys.slice(0, atMost);
  return Array.from({ length: Math.ceil(some.length / inARow) }, (_, row) => some.slice(row * inARow, (row + 1) * inARow));
}

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
    for (const keys of outstanding(results, "down", points, atMost)) {
      const ofUp = await chain(
        results,
        "up",
        keys,
        async () => {},
        async (key, told) => note(told, "up", await cutShort(cohort, up, upPoints[Number(key)]!, courses.ofUp)),
        async (told) => {
          require(told, "the next up", await wholeCourse(cohort, up));
          told.faults.push(...(await surplus(cohort, healthy)));
        },
      );
      const ofDown = await chain(
        results,
        "down",
        keys,
        async () => {
          if (ofUp.length < keys.length || ofUp.at(-1)!.faults.length > 0) await succeed(cohort, ...up);
        },
        async (key, told) => note(told, "down", await cutShort(cohort, down, downPoints[Number(key)]!, courses.ofDown)),
        async (told) => {
          require(told, "the next down", await wholeCourse(cohort, down));
          told.faults.push(...remains(cohort));
        },
      );
      made.push(...ofUp, ...ofDown);
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

async function checkLab({ cohort, ada, healthy }: StandingLab, told: Told, command?: string): Promise<void> {
  await awaitGreen(cohort);
  told.faults.push(...(await ada.lost()), ...(await surplus(cohort, healthy, command)));
}

/** `rotate` of a learner: afterwards the new credential works and the old does not. */
export async function killRotate(lab: StandingLab, { seed, points, atMost, results }: KillOptions): Promise<Trial[]> {
  const { cohort, ada } = lab;
  const rotate = ["rotate", "ada", "--cohort", cohort.name];
  const todo = outstanding(results, "rotate", points, atMost);
  if (todo.length === 0) return [];
  const course = await results.once("course of rotate", async () => (await succeed(cohort, ...rotate)).course);
  const at = pointsIn(course, points, randomOf(`${seed} rotate`));
  let before = "";
  const begin = async () => {
    await ada.go();
    before = (await ada.credential()).password;
  };
  const look = async (told: Told) => {
    require(told, "the next rotate", await wholeCourse(cohort, rotate));
    if ((await ada.credential()).password === before) told.faults.push("the password is the old one");
    await ada.go();
    await checkLab(lab, told);
  };
  const made: Trial[] = [];
  for (const keys of todo) {
    const hurt = async (key: string, told: Told) => note(told, "rotate", await cutShort(cohort, rotate, at[Number(key)]!, course));
    made.push(...(await chain(results, "rotate", keys, begin, hurt, look)));
  }
  return made;
}

/** `reset` of a learner: what the learner had is in a backup. */
export async function killReset(lab: StandingLab, { seed, points, atMost, results }: KillOptions): Promise<Trial[]> {
  const { cohort, ada } = lab;
  const reset = ["reset", "ada", "--cohort", cohort.name];
  const todo = outstanding(results, "reset", points, atMost);
  if (todo.length === 0) return [];
  const course = await results.once("course of reset", async () => (await succeed(cohort, ...reset)).course);
  const at = pointsIn(course, points, randomOf(`${seed} reset`));
  const look = async (told: Told) => {
    require(told, "the next reset", await wholeCourse(cohort, reset));
    told.faults.push(...(await ada.lostInBackups()));
    await checkLab(lab, told);
  };
  const made: Trial[] = [];
  for (const keys of todo) {
    const hurt = async (key: string, told: Told) => note(told, "reset", await cutShort(cohort, reset, at[Number(key)]!, course));
    made.push(...(await chain(results, "reset", keys, () => ada.go(), hurt, look)));
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
  const todo = outstanding(results, "retry", points, atMost);
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
  const through = (command: readonly string[]) => async (told: Told) => {
    require(told, `the next ${command[0]}`, await wholeCourse(cohort, command));
    await checkLab(both, told, command[0]);
  };
  for (const keys of todo) {
    const begin = async () => {
      await withoutBob();
      await lab.ada.go();
    };
    const hurtUp = async (key: string, told: Told) => note(told, "up", await cutShort(cohort, up!, pointsOfUp[Number(key)]!, course));
    const beginRetry = async () => {
      await withoutBob();
      await cutShort(cohort, up!, early, course);
    };
    const hurtRetry = async (key: string, told: Told) =>
      note(told, "retry", await cutShort(cohort, retry!, pointsOfRetry[Number(key)]!, course));
    made.push(
      ...(await chain(results, "up of one more", keys, begin, hurtUp, through(up!))),
      ...(await chain(results, "retry", keys, beginRetry, hurtRetry, through(retry!))),
    );
  }
  await cohort.setLearners(["ada"]);
  await succeed(cohort, ...up!);
  return made;
}
