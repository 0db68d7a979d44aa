import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "../../shared/errors.ts";

/** What came of one fault that was made. */
export interface Trial {
  /** Which kind of fault, as the table in docs/reliability.md names it. */
  readonly scenario: string;
  /** Unique in the scenario: a trial whose key is in the file of results is not made again. */
  readonly key: string;
  /** What was done, and when. */
  readonly what: string;
  /** False where the fault came too late to be one: the command had ended. Such a trial shows nothing. */
  readonly happened: boolean;
  /** What was not as it has to be, a sentence each; empty where all was well. */
  readonly faults: readonly string[];
  /** Seconds until all was well again. */
  readonly seconds: number;
  readonly at: string;
}

/** Where the results of a long run are kept, one JSON object a line: it goes on where it was. */
export class Results {
  readonly #file: string | undefined;
  readonly #trials: Trial[];
  readonly #kept: Kept[];

  private constructor(file: string | undefined, lines: readonly (Trial | Kept)[]) {
    this.#file = file;
    this.#trials = lines.filter((line) => "scenario" in line);
    this.#kept = lines.filter((line) => "kept" in line);
  }

  /** @param file nothing is kept where none is named */
  static async open(file: string | undefined): Promise<Results> {
    return new Results(file, file === undefined ? [] : await readLines(file));
  }

  /** What was found out once for all trials, such as how a run goes that nobody cuts short. */
  async once<T>(kept: string, make: () => Promise<T>): Promise<T> {
    const found = this.#kept.find((one) => one.kept === kept);
    if (found !== undefined) return found.value as T;
    const value = await make();
    this.#kept.push({ kept, value });
    await this.#append({ kept, value });
    return value;
  }

  has(scenario: string, key: string): boolean {
    return this.#trials.some((trial) => trial.scenario === scenario && trial.key === key);
  }

  of(scenario: string): readonly Trial[] {
    return this.#trials.filter((trial) => trial.scenario === scenario);
  }

  async add(trial: Trial): Promise<void> {
    this.#trials.push(trial);
    await this.#append(trial);
  }

  async #append(line: Trial | Kept): Promise<void> {
    if (this.#file === undefined) return;
    await mkdir(dirname(this.#file), { recursive: true });
    await appendFile(this.#file, `${JSON.stringify(line)}\n`);
  }
}

interface Kept {
  readonly kept: string;
  readonly value: unknown;
}

export async function readTrials(file: string): Promise<Trial[]> {
  return (await readLines(file)).filter((line) => "scenario" in line);
}

async function readLines(file: string): Promise<(Trial | Kept)[]> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Trial | Kept]));
}

/** What a trial tells of itself while it goes on. */
export interface Told {
  what: string;
  happened: boolean;
  readonly faults: string[];
}

/** Makes a trial, unless its result is there; whatever it throws is a fault. */
export async function trial(
  results: Results,
  scenario: string,
  key: string,
  work: (told: Told) => Promise<void>,
): Promise<Trial | undefined> {
  if (results.has(scenario, key)) return undefined;
  const began = performance.now();
  const told: Told = { what: "", happened: true, faults: [] };
  try {
    await work(told);
  } catch (error) {
    told.faults.push(messageOf(error));
  }
  const done = { scenario, key, ...told, seconds: Math.round((performance.now() - began) / 100) / 10, at: new Date().toISOString() };
  await results.add(done);
  return done;
}

/**
 * Makes several faults one after the other, without mending in between, and then looks: a trial each, of which the last has
 * the faults of all. Returns nothing where the results of all are there.
 */
export async function chain(
  results: Results,
  scenario: string,
  keys: readonly string[],
  begin: () => Promise<void>,
  hurt: (key: string, told: Told) => Promise<void>,
  look: (told: Told) => Promise<void>,
): Promise<Trial[]> {
  const made: Trial[] = [];
  const todo = keys.filter((key) => !results.has(scenario, key));
  for (const key of todo) {
    const done = await trial(results, scenario, key, async (told) => {
      if (key === todo[0]) await begin();
      await hurt(key, told);
      if (key === todo.at(-1)) await look(told);
    });
    if (done !== undefined) made.push(done);
  }
  return made;
}
