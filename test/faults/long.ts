import { resolve } from "node:path";
import { killAdditions, killReset, killRotate, killUpAndDown, removeStandingLab, standingLab, type KillOptions } from "./kills.ts";
import { Results } from "./trials.ts";

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
  (kill: typeof killRotate): ((name: string) => Promise<unknown>) =>
  async (name) => {
    const lab = await standingLab(options.folder, name);
    const made = await kill(lab, options);
    // Those that are outstanding go on with the lab as it is.
    if (made.length < options.atMost) await removeStandingLab(lab);
    return made;
  };

const kinds: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
  fresh: () => killUpAndDown(options),
  rotate: standing(killRotate),
  reset: standing(killReset),
  additions: standing(killAdditions),
};

const kind = kinds[what];
if (kind === undefined) throw new Error(`there is no "${what}": ${Object.keys(kinds).join(", ")}`);
process.stdout.write(`${JSON.stringify(await kind(what), undefined, 2)}\n`);
